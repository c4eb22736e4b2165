package quota

import (
	"math"
	"math/rand/v2"
	"time"
)

const (
	// forOld is the weight of old mail where new mail has weight 1: among users
	// who both want more than there is, it comes to a tenth.
	forOld = 0.1
	// burst is how much of the project's minute may go at once, so that the
	// minute never runs dry: a second's worth, but at least a batch.
	burst      = time.Second
	leastBurst = 100
	// levelPart of the minute is what stays in the bucket while users compete:
	// new mail of a user who had little finds something at once.
	levelPart = 128
	// turn is how long the share lasts that is granted at once under
	// competition; memory is how far a user may be behind or ahead of his share.
	turn   = span / 12
	memory = span / 4
	// patience is how long a user counts as a competitor after his time came.
	patience = 10 * time.Second
	gain     = 0.1
)

// share divides the project's minute between the users who want it. Amounts
// are imports, as everything in this file.
//
// A bucket lets the minute out evenly, so that it never runs dry for long. A
// virtual clock, v, shows how much a competitor of weight 1 has had by now: each
// grant to a competitor moves it by his part. Each flow has a clock of its own,
// tag, which only its own grants move. Who is not ahead of v is served; who is
// ahead is told when v will have come to him, and is served then. What is in the
// bucket beyond the usual goes to whoever asks, so nothing is lost when somebody
// comes late or never. This is start-time fair queueing with a clock instead of
// a queue: nobody holds a place that he may not come to take.
//
// Only who got less than he asked for competes; so users who want little are not
// counted, and what they leave is shared by the others (max-min fairness).
type share struct {
	at     time.Duration // of the last advance
	level  float64       // in the bucket
	v      float64       // virtual clock
	weight float64       // of all competitors
	flows  []*flow       // the competitors
	looked time.Duration // last search for those who have gone
	tail   time.Duration // the last time promised for want of tokens
}

// flow is one user's new or old mail.
type flow struct {
	weight float64
	tag    float64
	until  time.Duration // the time that he was told; 0: none
	seen   time.Duration // when he last got less than he asked for
	joined bool          // among the competitors
}

// rates of an allowance.
func perMinute(w *window) float64 { return float64(w.allowed) / ImportUnits }
func bucket(a float64) float64    { return max(a*burst.Seconds()/span.Seconds(), leastBurst) }
func usual(a float64) float64     { return max(1, a/levelPart) }

// toMake gives how long n imports take at a per minute.
func toMake(n, a float64) time.Duration {
	return time.Duration(n / max(a, 1) * float64(span))
}

// during gives what a per minute comes to in d.
func during(d time.Duration, a float64) float64 { return a * d.Seconds() / span.Seconds() }

// free gives what can be granted now.
func (s *share) free(w *window) float64 {
	return min(s.level, float64(w.room(math.MaxInt32)))
}

// advance brings the bucket and the clock up to now; w has been already.
func (s *share) advance(w *window, now time.Duration) {
	dt := now - s.at
	if w.limit == 0 || dt <= 0 {
		return
	}
	s.at = now
	a := perMinute(w)
	s.level = min(bucket(a), s.level+during(dt, a))
	s.v += during(dt, a/s.total(nil)) * gain * min(1, s.free(w)/usual(a)-1)
	if now-s.looked >= time.Second {
		s.looked = now
		s.dropGone(now)
	}
}

// total gives the weight of all competitors, f among them.
func (s *share) total(f *flow) float64 {
	w := s.weight
	if f != nil && !f.joined {
		w += f.weight
	}
	if w < forOld/2 {
		return 1
	}
	return w
}

func (s *share) dropGone(now time.Duration) {
	left := s.flows[:0]
	s.weight = 0
	for _, f := range s.flows {
		if now > max(f.seen, f.until)+patience {
			f.joined, f.until = false, 0
			continue
		}
		s.weight += f.weight
		left = append(left, f)
	}
	clear(s.flows[len(left):])
	s.flows = left
}

// join counts f as a competitor.
func (s *share) join(f *flow, now time.Duration) {
	f.seen = now
	if !f.joined {
		f.joined = true
		s.flows = append(s.flows, f)
		s.weight += f.weight
	}
}

// grant takes up to n imports out of the bucket for f, or none and says when
// to ask again. w is only looked at.
func (s *share) grant(w *window, f *flow, n int, now time.Duration) (int, time.Duration) {
	if w.limit == 0 {
		return n, 0
	}
	a := perMinute(w)
	part := a / s.total(f) // what v goes forward in a minute
	slack := max(during(memory, part), 1/f.weight)
	f.tag = min(max(f.tag, s.v-slack), s.v+2*slack)
	once := min(n, f.turn(a, part))
	promised := f.until != 0 && now >= f.until
	alone := len(s.flows) == 0 || len(s.flows) == 1 && f.joined
	fair := n           // what he may have of what is in the bucket
	floor := f.floor(a) // and what must stay there
	switch {
	case promised && f.tag > s.v:
		fair = once
	case promised:
		fair, floor = f.behind(s.v, once), floor-int(usual(a)/4)
	case alone:
	case f.tag <= s.v-slack/2:
		fair, floor = f.behind(s.v, once), floor-int(usual(a)/4)
	case f.tag <= s.v:
		fair = f.behind(s.v, once)
	default:
		fair, floor = once, int(2*usual(a))
	}
	if !alone && s.free(w) < usual(a)/2 {
		fair = min(fair, 2*once) // something for everybody, rather than all that is due to one
	}
	got := min(n, fair, int(s.free(w))-floor)
	if got < n {
		s.join(f, now)
	}
	if got > 0 {
		s.level -= float64(got)
		f.tag += float64(got) / f.weight
		if f.joined {
			s.v += float64(got) / s.weight
		}
		f.until = 0
		return got, 0
	}
	if now < f.until {
		return 0, f.until // his time stands, however often he asks
	}
	var pace time.Duration
	if !alone && !promised && f.tag > s.v {
		pace = toMake(f.tag-s.v, part)
	}
	f.until = s.promise(w, f, once, pace, now)
	return 0, f.until
}

// turn gives what f has at once under competition.
func (f *flow) turn(a, part float64) int {
	return max(1, int(min(f.weight*during(turn, part), usual(a)/2)))
}

// after gives f a time of its own once a hold of the whole project has ended,
// so that not all come back at that moment.
func (s *share) after(w *window, f *flow, end, now time.Duration) time.Duration {
	if w.limit == 0 {
		return end
	}
	s.join(f, now)
	if f.until < end {
		a := perMinute(w)
		f.until = max(end, s.tail)
		s.tail = f.until + toMake(float64(f.turn(a, a/s.total(f))), a)
	}
	return f.until
}

// behind gives what f may have under competition: a turn more than what is
// missing to his share.
func (f *flow) behind(v float64, once int) int {
	return max(1, once+int(f.weight*(v-f.tag)))
}

// floor is what f leaves in the bucket: for who had less, and for new mail.
func (f *flow) floor(a float64) int {
	part := int(usual(a) / 4)
	if f.weight < 1 {
		return 2 * part
	}
	return part
}

// promise gives the time at which f finds its turn: when v has come to f, where
// that is what it waits for, and when there is enough in the bucket beyond what
// was promised to others.
func (s *share) promise(w *window, f *flow, once int, pace, now time.Duration) time.Duration {
	if pace > 0 { // users who were served together do not come back together
		pace += rand.N(pace/8 + 1)
	}
	a := perMinute(w)
	need := once + f.floor(a)
	enough := max(w.free(now, need), s.tail)
	if missing := float64(need) - s.level; missing > 0 {
		enough = max(enough, now+toMake(missing, a))
	}
	if enough > now+pace {
		s.tail = enough + toMake(float64(once), a)
	}
	return max(enough, now+pace, now+time.Millisecond)
}

// give takes n imports of f back.
func (s *share) give(w *window, f *flow, n int) {
	if w.limit == 0 {
		return
	}
	s.level = min(bucket(perMinute(w)), s.level+float64(n))
	f.tag -= float64(n) / f.weight
}
