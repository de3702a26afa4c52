package router

import (
	"fmt"
	"testing"
)

// oip is an answer of the Open Inference Protocol.
func oip(version, name, shape, data string) string {
	return fmt.Sprintf(`{"model_name": "m", "model_version": %q, "outputs": [{"name": %q, "datatype": "FP32", "shape": %s, "data": %s}]}`, version, name, shape, data)
}

func TestWhetherTwoAnswersAgree(t *testing.T) {
	same := func(body string) [2]reply { return [2]reply{{200, []byte(body)}, {200, []byte(body)}} }
	pair := func(a, b string) [2]reply { return [2]reply{{200, []byte(a)}, {200, []byte(b)}} }
	classes := func(a, b string) [2]reply {
		return pair(oip("v1", "probabilities", "[2,3]", a), oip("v2", "probabilities", "[2,3]", b))
	}
	values := func(a, b string) [2]reply {
		return pair(oip("v1", "value", "[2,1]", a), oip("v2", "value", "[2,1]", b))
	}
	for sentence, c := range map[string]struct {
		replies [2]reply
		want    bool
	}{
		"the same bytes":                            {same("anything"), true},
		"other bytes that are no JSON":              {pair("yes", "no"), false},
		"another status":                            {[2]reply{{200, []byte("x")}, {400, []byte("x")}}, false},
		"the same refusal in other words":           {[2]reply{{400, []byte("no")}, {400, []byte("never")}}, true},
		"the same classes with other probabilities": {classes("[0.1,0.8,0.1,0.6,0.3,0.1]", "[0.2,0.5,0.3,0.9,0.05,0.05]"), true},
		"another class in the second row":           {classes("[0.1,0.8,0.1,0.6,0.3,0.1]", "[0.1,0.8,0.1,0.3,0.6,0.1]"), false},
		"classes row by row":                        {classes("[[0.1,0.8,0.1],[0.6,0.3,0.1]]", "[0.2,0.5,0.3,0.9,0.05,0.05]"), true},
		"values within a hundredth":                 {values("[100,-5]", "[100.9,-5.04]"), true},
		"a value that differs by more":              {values("[100,-5]", "[100,-5.1]"), false},
		"values that are nothing but noise":         {values("[0,1e-9]", "[-1e-8,2e-7]"), true},
		"a value of another sign":                   {values("[1,2]", "[-1,2]"), false},
		"fewer values":                              {values("[1,2]", "[1]"), false},
		"another shape":                             {pair(oip("v", "value", "[2,1]", "[1,2]"), oip("v", "value", "[1,2]", "[1,2]")), false},
		"another output":                            {pair(oip("v", "value", "[1,1]", "[1]"), oip("v", "probabilities", "[1,1]", "[1]")), false},
		"an answer without outputs":                 {pair(oip("v", "value", "[1,1]", "[1]"), `{"model_version": "v2"}`), false},
		"outputs in another order":                  {pair(`{"outputs":[{"name":"a","data":[1]},{"name":"b","data":[2]}]}`, `{"outputs":[{"name":"b","data":[2]},{"name":"a","data":[1]}]}`), true},
		"probabilities whose shape does not fit":    {pair(oip("v1", "probabilities", "[2,2]", "[0.1,0.9]"), oip("v2", "probabilities", "[2,2]", "[0.2,0.8]")), false},
		"the same text in an output":                {pair(oip("v1", "text", "[1]", `[ "a"]`), oip("v2", "text", "[1]", `["a"]`)), true},
		"another text in an output":                 {pair(oip("v1", "text", "[1]", `["a"]`), oip("v2", "text", "[1]", `["b"]`)), false},
		"the same JSON, written otherwise":          {pair(`{"a": 1, "b": [2]}`, `{"b":[2],"a":1}`), true},
		"the same but for what names the answer":    {pair(`{"id": "x", "created": 1, "model": "m", "choices": [1]}`, `{"id": "y", "created": 2, "model": "n", "choices": [1]}`), true},
		"another choice":                            {pair(`{"id": "x", "choices": [1]}`, `{"id": "x", "choices": [2]}`), false},
		"an id that is no name of the answer":       {pair(`{"choices": [{"id": 1}]}`, `{"choices": [{"id": 2}]}`), false},
		"numbers too long for a float in no OIP":    {pair(`{"a": 12345678901234567890}`, `{"a": 12345678901234567891}`), false},
		"JSON that breaks off":                      {pair(`{"a": 1}`, `{"a": 1`), false},
	} {
		t.Run(sentence, func(t *testing.T) {
			a, b := c.replies[0], c.replies[1]
			if agree(a, b) != c.want || agree(b, a) != c.want {
				t.Errorf("%s and %s: agree says %v and %v, want %v", a.body, b.body, agree(a, b), agree(b, a), c.want)
			}
		})
	}
}

func FuzzAnAnswerAgreesWithItself(f *testing.F) {
	f.Add([]byte(oip("v1", "probabilities", "[1,2]", "[0.1,0.9]")), []byte(`{"a": 1}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if !agree(reply{200, a}, reply{200, a}) {
			t.Errorf("%q does not agree with itself", a)
		}
		if agree(reply{200, a}, reply{200, b}) != agree(reply{200, b}, reply{200, a}) {
			t.Errorf("%q and %q agree one way only", a, b)
		}
	})
}
