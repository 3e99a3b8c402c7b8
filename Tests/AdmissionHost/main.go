// Hosts the admission chain of an API server, by the library that API servers are made of, without the server: mutating
// webhooks, then validating policies and validating webhooks. scripts/tools/admission-host builds it.
//
//	admission-host -objects FILE [-service HOST:PORT] [-parallel N] <REQUESTS >ANSWERS
//	admission-host -objects FILE -schemas FILE
//
// The objects, as YAML, are what the API server would have stored: webhook configurations, policies and their bindings,
// namespaces. Whatever service is named in them is found at HOST:PORT. Each line of the requests is one, and the line of the
// answers at the same place is its answer. With -schemas nothing is asked: the policies are checked against the types that
// they are about, as an API server checks them, and each warning is a line.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"sync"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("admission-host: ")
	file := flag.String("objects", "", "YAML `FILE` of what the API server has stored")
	service := flag.String("service", "", "`HOST:PORT` where all services are found")
	parallel := flag.Int("parallel", 1, "`NUMBER` of requests under way at a time")
	schemas := flag.String("schemas", "", "JSON `FILE` of Kubernetes' types: check the policies against them")
	flag.Parse()
	objects, err := stored(*file)
	if err == nil && *schemas != "" {
		err = checkTypes(objects, *schemas, os.Stdout)
	} else if err == nil {
		err = answerAll(objects, *service, *parallel)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// stored reads objects as they would come from the API server's storage.
func stored(file string) ([]runtime.Object, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var objects []runtime.Object
	for _, document := range bytes.Split(content, []byte("\n---\n")) {
		if document, err = yaml.ToJSON(document); err != nil {
			return nil, err
		}
		object, err := decode(document)
		if err != nil {
			return nil, fmt.Errorf("%s: document %d: %w", file, len(objects)+1, err)
		}
		metadata, err := meta.Accessor(object)
		if err != nil {
			return nil, err
		}
		metadata.SetUID(types.UID(fmt.Sprint(len(objects) + 1)))
		metadata.SetResourceVersion("1")
		// What an API server adds when it stores them, as far as it is missed here.
		switch object := object.(type) {
		case *core.Namespace:
			metav1.SetMetaDataLabel(&object.ObjectMeta, core.LabelMetadataName, object.Name)
		case *admissionregistration.ValidatingAdmissionPolicy:
			object.Spec.MatchConstraints.NamespaceSelector = &metav1.LabelSelector{}
			object.Spec.MatchConstraints.ObjectSelector = &metav1.LabelSelector{}
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// decode reads an object; of nothing it makes nil.
func decode(document []byte) (runtime.Object, error) {
	if len(document) == 0 || string(document) == "null" {
		return nil, nil
	}
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(document, nil, nil)
	return object, err
}

// answerAll answers the requests on standard input, up to `parallel` of them at a time.
func answerAll(objects []runtime.Object, service string, parallel int) error {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	chain, err := newChain(objects, service)
	if err != nil {
		return err
	}
	lines := bytes.Split(bytes.TrimSpace(input), []byte("\n"))
	answers := make([]answer, len(lines))
	var all sync.WaitGroup
	free := make(chan struct{}, max(parallel, 1))
	for i, line := range lines {
		free <- struct{}{}
		all.Add(1)
		go func() {
			defer func() { <-free; all.Done() }()
			var err error
			if answers[i], err = chain.answer(line); err != nil {
				log.Fatalf("request %d: %v", i+1, err)
			}
		}()
	}
	all.Wait()
	output := json.NewEncoder(os.Stdout)
	for _, answer := range answers {
		if err := output.Encode(answer); err != nil {
			return err
		}
	}
	return nil
}
