package trial

import "github.com/suoke-life/suoke/internal/release/analysis"

// strikes is what canary controllers do today: time since the candidate's first request is cut into windows; one in which
// more than 1 % of the candidate's requests failed is a strike, whatever stable does; with so many strikes in all, in a
// row or not, the candidate is returned. It is Flagger's request-success-rate of at least 99 with its interval and
// threshold, and Argo Rollouts' failureLimit.
type strikes struct {
	name   string
	window int64
	most   int
}

const strikeShare = 0.01

func (s strikes) Name() string { return s.name }

func (s strikes) Begin(Past) Judge {
	var seconds int64
	var window analysis.Counts
	struck := 0
	return func(second *Second) bool {
		if seconds == 0 && second.Candidate.Requests == 0 {
			return false
		}
		seconds++
		window = window.Plus(second.Candidate)
		if seconds%s.window == 0 {
			if float64(window.Failures) > strikeShare*float64(window.Requests) {
				struck++
			}
			window = analysis.Counts{}
		}
		return struck >= s.most
	}
}
