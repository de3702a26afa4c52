package trial

import (
	"slices"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// lateFrom is the second at which a candidate turns bad that was good for ten minutes.
const lateFrom = 601

// studies are what the options ask for, in the order of the report.
func (o Options) studies(rules []Rule) []*study {
	asked := func(name string) bool { return len(o.Only) == 0 || slices.Contains(o.Only, name) }
	var studies []*study
	for _, w := range Worlds() {
		if asked(w.Name) {
			studies = append(studies, newStudy(w, Candidate{}, rules, o.Releases, writeFalseRollbacks))
		}
	}
	if asked(TableDetection) {
		studies = append(studies, o.bad(rules, 1, []float64{0.02, 0.05, 0.2, 0.5, 1}, writeDetection)...)
	}
	if asked(TableLate) {
		studies = append(studies, o.bad(rules, lateFrom, []float64{0.05, 0.2, 0.5}, writeLate)...)
	}
	if asked(TableSlow) {
		studies = append(studies, o.slow(rules)...)
	}
	if asked(TablePass) {
		studies = append(studies, o.pass(rules)...)
	}
	return studies
}

// bad are candidates that fail from a second on, where failures are independent, and for the rules that learn also where they
// have learned to wait.
func (o Options) bad(rules []Rule, from int64, fails []float64, write func(*Report, *study)) []*study {
	var studies []*study
	for _, f := range fails {
		studies = append(studies, newStudy(named("independent"), Candidate{Fails: f, From: from}, rules, o.Detections, write))
	}
	knowing := knowing(rules)
	for _, world := range []string{"spells-10s", "pods-differ", "start-up"} {
		for _, f := range fails {
			if len(knowing) > 0 {
				studies = append(studies, newStudy(named(world), Candidate{Fails: f, From: from}, knowing, o.Detections, write))
			}
		}
	}
	return studies
}

// slow are the worlds in which slow requests are judged as well as failed ones.
func (o Options) slow(rules []Rule) []*study {
	var studies []*study
	knowing := knowing(rules)
	if len(knowing) == 0 {
		return nil
	}
	for _, w := range slowWorlds() {
		studies = append(studies, newStudy(w, Candidate{}, knowing, o.Releases, writeSlowFalse))
		for _, factor := range []float64{1.2, 1.5, 2} {
			studies = append(studies, newStudy(w, Candidate{Slower: factor, From: 1}, knowing, o.Detections, writeSlow))
		}
	}
	return studies
}

// slowWorlds are the worlds with lognormal answer times: a request is slow if it takes longer than 1.2 times what 95 % of
// stable's took before.
func slowWorlds() []World {
	lognormal := func(w *World) { w.SlowAlways = slowShare(1) }
	return []World{
		five("slow", "independent").with(lognormal),
		five("slow-pauses", "pauses of 1 s").with(lognormal, func(w *World) { w.Pauses = Spells{Length: 1, OfTime: 0.002, Share: 1} }),
	}
}

// pass are candidates that are as good as stable, and such as are worse by the allowed increase.
func (o Options) pass(rules []Rule) []*study {
	var passing []Rule
	for _, r := range knowing(rules) {
		passing = append(passing, passed{r})
	}
	if len(passing) == 0 {
		return nil
	}
	var studies []*study
	for _, name := range []string{"independent", "spells-10s"} {
		studies = append(studies,
			newStudy(named(name), Candidate{}, passing, o.Releases, writePasses),
			newStudy(named(name), Candidate{Fails: stableFails + allowedIncrease, From: 1}, passing, o.Releases, writeFalsePasses))
	}
	return studies
}

// passed makes of a rule of package analysis one that ends a release when the verdict is Pass.
type passed struct{ Rule }

func (p passed) Begin(past Past) Judge {
	config := past.Config
	if p.Rule == (replay{}) {
		config = past.Learned()
	}
	s := analysis.Statistic{Config: config}
	return func(second *Second) bool {
		s = s.Add(second.Second)
		return s.Judgement().Verdict == analysis.Pass
	}
}

// knowing are the rules of package analysis: they allow for spells, and say what passes.
func knowing(rules []Rule) (some []Rule) {
	for _, r := range rules {
		if r == (replay{}) || r == (young{}) {
			some = append(some, r)
		}
	}
	return some
}

func named(name string) World {
	all := Worlds()
	return all[slices.IndexFunc(all, func(w World) bool { return w.Name == name })]
}

func writeFalseRollbacks(r *Report, s *study) {
	r.FalseRollbacks = append(r.FalseRollbacks, s.falseRollbacks()...)
}

func writeSlowFalse(r *Report, s *study) { r.SlowFalse = append(r.SlowFalse, s.falseRollbacks()...) }

func writeDetection(r *Report, s *study) { r.Detection = append(r.Detection, s.detections()...) }

func writeLate(r *Report, s *study) { r.Late = append(r.Late, s.detections()...) }

func writeSlow(r *Report, s *study) { r.Slow = append(r.Slow, s.detections()...) }

func (s *study) falseRollbacks() (rows []FalseRollback) {
	for i, rule := range s.rules {
		row := FalseRollback{World: s.world.Name, Title: s.world.Title, Rule: rule.Name(), Releases: s.runs, Returned: ended(s.ends[i])}
		row.Percent, row.UpperPercent = share(row.Returned, row.Releases)
		rows = append(rows, row)
	}
	return rows
}

func (s *study) detections() (rows []Detection) {
	for i, rule := range s.rules {
		row := Detection{World: s.world.Name, Title: s.world.Title, Rule: rule.Name(), Fails: s.candidate.Fails, Slower: s.candidate.Slower}
		var seconds, bad []int64
		for _, e := range s.ends[i] {
			switch {
			case e.second == 0:
				row.Missed++
			case e.second >= s.candidate.From:
				seconds, bad = append(seconds, e.second-s.candidate.From+1), append(bad, e.bad)
			}
		}
		bound, each := s.bound()
		row.BoundSeconds, row.BoundBad = rounded(bound), rounded(bound*each)
		if row.Runs = len(seconds) + row.Missed; row.Runs > 0 {
			inSeconds, inRequests := quantiles(seconds, row.Missed), quantiles(bad, row.Missed)
			row.Seconds, row.Bad = &inSeconds, &inRequests
			row.Ratio = rounded(float64(inSeconds.Median) / bound)
		}
		rows = append(rows, row)
	}
	return rows
}

// bound is the information bound on seconds, and how many requests go wrong in each of them.
func (s *study) bound() (seconds, bad float64) {
	requests := s.world.Rate * s.world.Plan[0].Weight
	wrong, usual := s.candidate.Fails, s.world.Fails
	if s.candidate.Slower > 0 {
		wrong, usual = slowShare(s.candidate.Slower), s.world.SlowAlways
	}
	return Bound(wrong, usual, requests), requests * wrong
}

func writePasses(r *Report, s *study) {
	for i, rule := range s.rules {
		var seconds []int64
		for _, e := range s.ends[i] {
			if e.second > 0 {
				seconds = append(seconds, e.second)
			}
		}
		r.Passes = append(r.Passes, Passes{
			World: s.world.Name, Title: s.world.Title, Rule: rule.Name(), Releases: s.runs,
			Passed: len(seconds), Seconds: quantiles(seconds, s.runs-len(seconds)),
		})
	}
}

// writeFalsePasses fills in the rows that writePasses has written for the same world and rules.
func writeFalsePasses(r *Report, s *study) {
	rows := r.Passes[len(r.Passes)-len(s.rules):]
	for i := range s.rules {
		rows[i].FalsePasses = ended(s.ends[i])
		rows[i].Percent, rows[i].UpperPercent = share(rows[i].FalsePasses, s.runs)
	}
}

func ended(ends []end) (n int) {
	for _, e := range ends {
		if e.second > 0 {
			n++
		}
	}
	return n
}
