package analysis

import "math"

const (
	// marginPods that had requests for marginBlocks blocks of marginBlock seconds each are needed to learn how Pods differ; with
	// as few as someBlocks it is learned only whether they differ less than is usual.
	marginPods   = 3
	marginBlocks = 18
	someBlocks   = 5
	marginBlock  = 600
	// priorSpread is the standard deviation in the logarithm that Pods are taken to have before they are seen, which counts
	// like priorFreedom more Pods: few Pods say little, and by themselves they would now and then say anything.
	priorSpread  = 0.25
	priorFreedom = 4
	// mostMargin bounds the margin: what is three times as bad as all other Pods is no release that anyone wants.
	mostMargin = 3
)

// blocks are a Pod's counts of ten minutes each, by their number.
type blocks map[int64]sample

// margin is how many times as bad as all others together so many more Pods are but for a chance of α. 0 is that too little is
// known.
func (p *past) margin(of func(*hour) []uint16, fewest int, alpha float64) float64 {
	if learned := p.spread(of, marginBlocks, fewest, alpha); learned > 0 {
		return learned
	}
	return min(usualMargin, p.spread(of, someBlocks, fewest, alpha))
}

// spread is the margin by Pods with so many blocks, if Pods' rates are log-normal. Their spread is that of whole rates, less what
// spells and chance make of it, which is seen from how a Pod's share moves from one block to the next. 0 is that there are too
// few Pods.
func (p *past) spread(of func(*hour) []uint16, least, fewest int, alpha float64) float64 {
	pods, all := p.blocks(of, least)
	if len(pods) < marginPods {
		return 0
	}
	var rates []float64
	noise := 0.0
	for _, pod := range pods {
		var total, expected sample
		for number, s := range pod {
			total = total.plus(s)
			expected.bad += s.requests * all[number].bad / all[number].requests
		}
		if expected.bad == 0 {
			continue
		}
		variance := 0.0
		for number, s := range pod {
			off := s.bad - s.requests*all[number].bad/all[number].requests*total.bad/expected.bad
			variance += off * off
		}
		rates = append(rates, math.Log((total.bad+priorBad)/(expected.bad+priorBad)))
		noise += max(variance, total.bad) / ((total.bad + priorBad) * (total.bad + priorBad))
	}
	k := float64(len(rates))
	if k < marginPods {
		return 0
	}
	mean, spread := 0.0, 0.0
	for _, z := range rates {
		mean += z / k
	}
	for _, z := range rates {
		spread += (z - mean) * (z - mean) / (k - 1)
	}
	noise /= k
	bound := beyondOthers(max(spread-noise, noise/2), k-1, alpha)
	return min(mostMargin, math.Exp(bound*math.Sqrt(1/float64(fewest)+1/k)))
}

// beyondOthers is how far a Pod's logarithm lies above the others' but for a chance of α, where their variance was seen with ν
// degrees of freedom: the prediction bound of Student's t by itself, or with the prior, whichever is less. So the prior
// takes from what few Pods say that differ, and adds nothing where they do not.
func beyondOthers(variance, ν, alpha float64) float64 {
	with := (ν*variance + priorFreedom*priorSpread*priorSpread) / (ν + priorFreedom)
	return min(student(ν, alpha)*math.Sqrt(variance), student(ν+priorFreedom, alpha)*math.Sqrt(with))
}

// blocks of each Pod that has enough of them, and of all Pods.
func (p *past) blocks(of func(*hour) []uint16, least int) (pods []blocks, all blocks) {
	all = blocks{}
	for _, pod := range p.pods {
		mine := blocks{}
		for number, h := range pod.hours {
			h.seconds(of, func(second int, s sample) {
				if s.requests > 0 {
					block := (number*hourSeconds + int64(second)) / marginBlock
					mine[block] = mine[block].plus(s)
				}
			})
		}
		for block, s := range mine {
			all[block] = all[block].plus(s)
		}
		if len(mine) >= least {
			pods = append(pods, mine)
		}
	}
	return pods, all
}

// student is the quantile of Student's t distribution that leaves α above it. With t = √ν·tan θ the density is that of
// cos^(ν-1) θ, which is added up from its upper end.
func student(ν, alpha float64) float64 {
	const steps = 20000
	density := func(i int) float64 {
		return math.Pow(math.Cos(math.Pi/2*(2*(float64(i)+0.5)/steps-1)), ν-1)
	}
	total := 0.0
	for i := range steps {
		total += density(i)
	}
	above := 0.0
	for i := steps - 1; i > 0; i-- {
		if above += density(i); above >= alpha*total {
			return math.Sqrt(ν) * math.Tan(math.Pi/2*(2*float64(i)/steps-1))
		}
	}
	return 0
}
