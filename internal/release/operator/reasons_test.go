package operator_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestTheEngineSaysTheReasonsOfTheAPI holds the words of the engine, which imports nothing, to those that conditions carry.
func TestTheEngineSaysTheReasonsOfTheAPI(t *testing.T) {
	t.Parallel()
	documented := reasons(t, "../../../api/v1/conditions.go")
	said := reasons(t, "../rollout/reasons.go")
	if len(said) == 0 {
		t.Fatal("the engine has no reasons")
	}
	for name, word := range said {
		if documented[name] != word {
			t.Errorf("rollout.%s is %s; in api/v1 it is %q", name, word, documented[name])
		}
	}
}

// reasons are the constants Reason… of a file, with their literals.
func reasons(t *testing.T, file string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Reason") {
			if word, ok := spec.Values[0].(*ast.BasicLit); ok {
				all[spec.Names[0].Name] = word.Value
			}
		}
		return true
	})
	return all
}
