package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta/testrestmapper"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	policies "k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// checkTypes writes what an API server would put into the status of the policies, a line for each warning.
func checkTypes(objects []runtime.Object, file string, output io.Writer) error {
	known := &schemas{}
	content, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(content, known)
	}
	if err != nil {
		return err
	}
	checker := policies.TypeChecker{
		SchemaResolver: known, RestMapper: testrestmapper.TestOnlyStaticRESTMapper(scheme.Scheme)}
	for _, object := range objects {
		policy, is := object.(*admissionregistration.ValidatingAdmissionPolicy)
		if !is {
			continue
		}
		// The checker takes variables that are wrong without a word. It is asked about them as if they were validations.
		for _, variable := range policy.Spec.Variables {
			policy.Spec.Validations = append(
				policy.Spec.Validations, admissionregistration.Validation{Expression: variable.Expression})
		}
		known.resolved = 0
		for _, warning := range checker.Check(policy) {
			fmt.Fprintf(output, "%s: %s: %s\n", policy.Name, warning.FieldRef, warning.Warning)
		}
		// The checker passes over what it does not find.
		if known.resolved == 0 {
			return fmt.Errorf("%s: none of the types that it is about is in %s", policy.Name, file)
		}
	}
	return nil
}

// schemas are those of Kubernetes' types, by their full names.
type schemas struct {
	Definitions map[string]*spec.Schema `json:"$defs"`
	resolved    int
}

func (s *schemas) ResolveSchema(wanted schema.GroupVersionKind) (*spec.Schema, error) {
	for name, definition := range s.Definitions {
		kinds, _ := definition.Extensions["x-kubernetes-group-version-kind"].([]any)
		for _, kind := range kinds {
			of, _ := kind.(map[string]any)
			if of["group"] == wanted.Group && of["version"] == wanted.Version && of["kind"] == wanted.Kind {
				s.resolved++
				return resolver.PopulateRefs(func(reference string) (*spec.Schema, bool) {
					found, is := s.Definitions[path.Base(reference)]
					return found, is
				}, name)
			}
		}
	}
	return nil, resolver.ErrSchemaNotFound
}
