package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"sync"
	"time"

	apps "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/meta/testrestmapper"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	policies "k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	webhookinitializer "k8s.io/apiserver/pkg/admission/plugin/webhook/initializer"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/mutating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/validating"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/warning"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
)

// request is what somebody would ask of the API server.
type request struct {
	Operation   admission.Operation
	Object      json.RawMessage
	OldObject   json.RawMessage
	Subresource string
	User        string
	Groups      []string
	DryRun      bool
}

// answer is what they would be told, and what would be stored.
type answer struct {
	Allowed  bool              `json:"allowed"`
	Object   runtime.Object    `json:"object,omitempty"`
	Message  string            `json:"message,omitempty"`
	Warnings []string          `json:"warnings"`
	Audit    map[string]string `json:"audit"`
}

// chain is an API server's admission.
type chain struct {
	plugins    admission.Interface
	interfaces admission.ObjectInterfaces
}

func newChain(objects []runtime.Object, service string) (*chain, error) {
	// An API server converts to its internal version and back; here there is none, and this is what is left of it.
	err := scheme.Scheme.AddConversionFunc((*apps.StatefulSet)(nil), (*apps.StatefulSet)(nil),
		func(from, to any, _ conversion.Scope) error {
			from.(*apps.StatefulSet).DeepCopyInto(to.(*apps.StatefulSet))
			return nil
		})
	if err != nil {
		return nil, err
	}
	client := fake.NewClientset(objects...)
	setup := setup{client: client, informers: informers.NewSharedInformerFactory(client, 0), service: service}
	plugins := admission.NewPlugins()
	mutating.Register(plugins)
	policies.Register(plugins)
	validating.Register(plugins)
	made, err := plugins.NewFromPlugins(
		[]string{mutating.PluginName, policies.PluginName, validating.PluginName}, setup, setup, nil)
	if err != nil {
		return nil, err
	}
	setup.informers.Start(never)
	setup.informers.WaitForCacheSync(never)
	return &chain{made, admission.NewObjectInterfacesFromScheme(scheme.Scheme)}, nil
}

// answer takes a request through the chain, as the handlers of an API server do.
func (c *chain) answer(line []byte) (answer, error) {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{}, err
	}
	object, err := decode(asked.Object)
	if err != nil {
		return answer{}, err
	}
	old, err := decode(asked.OldObject)
	if err != nil {
		return answer{}, err
	}
	subject := object
	if subject == nil {
		subject = old
	}
	metadata, err := meta.Accessor(subject)
	if err != nil {
		return answer{}, err
	}
	options := map[admission.Operation]runtime.Object{
		admission.Create: &metav1.CreateOptions{},
		admission.Update: &metav1.UpdateOptions{},
		admission.Delete: &metav1.DeleteOptions{},
	}[asked.Operation]
	if options == nil {
		return answer{}, fmt.Errorf("unknown operation %q", asked.Operation)
	}
	kind := subject.GetObjectKind().GroupVersionKind()
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	seen := &record{audit: map[string]string{}, warnings: []string{}}
	seen.Attributes = admission.NewAttributesRecord(
		object, old, kind, metadata.GetNamespace(), metadata.GetName(), resource, asked.Subresource, asked.Operation,
		options, asked.DryRun, &user.DefaultInfo{Name: asked.User, Groups: asked.Groups})
	// An API server's own limit of a request.
	limited, cancel := context.WithTimeout(warning.WithWarningRecorder(context.Background(), seen), 34*time.Second)
	defer cancel()
	err = c.plugins.(admission.MutationInterface).Admit(limited, seen, c.interfaces)
	if err == nil {
		err = c.plugins.(admission.ValidationInterface).Validate(limited, seen, c.interfaces)
	}
	given := answer{Allowed: err == nil, Warnings: seen.warnings, Audit: seen.audit}
	if err == nil {
		given.Object = object
	} else {
		given.Message = err.Error()
	}
	return given, nil
}

// record keeps what is said about a request beside the verdict.
type record struct {
	admission.Attributes
	lock     sync.Mutex
	audit    map[string]string
	warnings []string
}

func (r *record) AddAnnotation(key, value string) error {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.audit[key] = value
	return r.Attributes.AddAnnotation(key, value)
}

func (r *record) AddWarning(_, text string) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.warnings = append(r.warnings, text)
}

// never is when the chain is to end before the program does.
var never = make(chan struct{})

// setup gives each plugin what it says that it wants.
type setup struct {
	client    kubernetes.Interface
	informers informers.SharedInformerFactory
	service   string
}

func (s setup) ConfigFor(string) (io.Reader, error) { return nil, nil }

// ResolveEndpoint finds every service at the same place.
func (s setup) ResolveEndpoint(namespace, name string, _ int32) (*url.URL, error) {
	if s.service == "" {
		return nil, fmt.Errorf("there is no service %s/%s: -service says where it is", namespace, name)
	}
	return &url.URL{Scheme: "https", Host: s.service}, nil
}

func (s setup) Initialize(plugin admission.Interface) {
	if wants, is := plugin.(initializer.WantsDrainedNotification); is {
		wants.SetDrainedNotification(never)
	}
	if wants, is := plugin.(initializer.WantsExternalKubeClientSet); is {
		wants.SetExternalKubeClientSet(s.client)
	}
	if wants, is := plugin.(initializer.WantsExternalKubeInformerFactory); is {
		wants.SetExternalKubeInformerFactory(s.informers)
	}
	if wants, is := plugin.(initializer.WantsDynamicClient); is {
		wants.SetDynamicClient(dynamicfake.NewSimpleDynamicClient(scheme.Scheme))
	}
	if wants, is := plugin.(initializer.WantsRESTMapper); is {
		wants.SetRESTMapper(testrestmapper.TestOnlyStaticRESTMapper(scheme.Scheme))
	}
	if wants, is := plugin.(initializer.WantsAuthorizer); is {
		// Nobody may do anything: nothing here asks who may.
		wants.SetAuthorizer(authorizer.AuthorizerFunc(
			func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
				return authorizer.DecisionNoOpinion, "", nil
			}))
	}
	if wants, is := plugin.(webhookinitializer.WantsServiceResolver); is {
		wants.SetServiceResolver(s)
	}
}
