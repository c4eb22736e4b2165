package gmailtest

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// span is a Content-Range: n octets from from, of total (-1: unknown). n is 0
// for "bytes */total".
type span struct{ from, n, total int64 }

// parseSpan reads the Content-Range strictly and compares it with the
// Content-Length. The double wants both on every request, although Google
// takes a whole body without a range.
func parseSpan(r *http.Request) (sp span, bad string) {
	sp.total = -1
	spec, ok := strings.CutPrefix(r.Header.Get("Content-Range"), "bytes ")
	which, total, ok2 := strings.Cut(spec, "/")
	if !ok || !ok2 {
		return sp, "Invalid Content-Range"
	}
	if r.ContentLength < 0 {
		return sp, "Content-Length is missing"
	}
	if total != "*" {
		if sp.total, ok = number(total); !ok {
			return span{total: -1}, "Invalid Content-Range"
		}
	}
	if which != "*" {
		a, b, ok := strings.Cut(which, "-")
		from, ok1 := number(a)
		last, ok2 := number(b)
		if !ok || !ok1 || !ok2 || last < from || sp.total >= 0 && last >= sp.total {
			return span{total: -1}, "Invalid Content-Range"
		}
		sp.from, sp.n = from, last-from+1
	}
	switch {
	case sp.n != r.ContentLength:
		bad = "Content-Range and Content-Length differ"
	case sp.n%chunkAlign != 0 && sp.from+sp.n != sp.total:
		bad = "A chunk that is not the last must be a multiple of 262144 octets"
	}
	return sp, bad
}

func number(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 48)
	return int64(n), err == nil && strconv.FormatUint(n, 10) == s
}

// carryOn does what a request to a session asks, with the session in hand.
func (s *Server) carryOn(w http.ResponseWriter, r *http.Request, ses *session, sp span, bad string, t take) {
	switch {
	case bad != "":
		invalid(w, bad)
		return
	case sp.total >= 0 && ses.total >= 0 && sp.total != ses.total:
		invalid(w, "The total size differs from what was said before")
		return
	case ses.in == nil: // over: the same answer again, octets or not
		_, _ = io.Copy(io.Discard, r.Body)
	case sp.from+sp.n > s.o.MaxSize || sp.total > s.o.MaxSize:
		ses.in, ses.tooBig = nil, true
	default:
		if sp.total >= 0 {
			ses.total = sp.total
		}
		if sp.n > 0 {
			s.receive(r, ses, sp, t)
		}
		if ses.in.n == ses.total && sp.total >= 0 { // a chunk of unknown total commits nothing
			s.finish(ses)
		}
	}
	if t.then != nil {
		t.then(w)
		return
	}
	ses.report(w, r)
}

// receive takes the octets of a chunk. What a broken connection leaves is kept
// in multiples of the granularity; what a fault cuts is kept to the octet.
func (s *Server) receive(r *http.Request, ses *session, sp span, t take) {
	buf := buffers.Get().(*[64 << 10]byte)
	defer func() {
		clear(buf[:])
		buffers.Put(buf)
	}()
	in, at, room := ses.in, sp.from, sp.n
	if t.octets >= 0 {
		room = min(t.octets, sp.n)
	}
	if at > in.n { // a gap: nothing of it can be used
		s.count(func(st *Stats) { st.Gaps++ })
		room = 0
	}
	kept := in.mark()
	end, limit := sp.from+sp.n, sp.from+room
	for at < end {
		if at >= limit && !t.discard && t.octets >= 0 {
			return // the fault cuts or answers here, with the rest unread
		}
		want := buf[:min(int64(len(buf)), end-at)]
		if at < limit {
			want = want[:min(int64(len(want)), limit-at)]
		}
		s.rest(t.pause)
		n, err := r.Body.Read(want)
		if fresh := min(at+int64(n), limit); fresh > in.n && at <= in.n {
			s.take(in, want[in.n-at:fresh-at], &kept, end)
		}
		at += int64(n)
		s.count(func(st *Stats) { st.Octets += int64(n) })
		if err != nil && at < end {
			*in = kept
			cut()
		}
	}
}

// rest waits, unless the double is being closed.
func (s *Server) rest(d time.Duration) {
	if d == 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-s.closed:
		cut()
	}
}

// take digests octets, stopping at each boundary to which a break falls back.
func (s *Server) take(in *intake, p []byte, kept *intake, end int64) {
	for len(p) > 0 {
		n := min(int64(len(p)), s.o.Granularity-in.n%s.o.Granularity)
		in.write(p[:n])
		p = p[n:]
		if in.n%s.o.Granularity == 0 && in.n < end {
			*kept = in.mark()
		}
	}
}

// finish commits a session that has all its octets.
func (s *Server) finish(ses *session) {
	m, no := s.commit(ses.user, ses.terms, ses.in)
	ses.in = nil
	if no != nil {
		ses.refused = no
		return
	}
	ses.done = &m
}

// report answers with the state of the session.
func (ses *session) report(w http.ResponseWriter, r *http.Request) {
	switch {
	case ses.done != nil:
		write(w, http.StatusOK, ses.done.message(ses.terms.fields))
	case ses.refused != nil:
		ses.refused.write(w)
	case ses.tooBig:
		tooLarge(w)
	default:
		if ses.in.n > 0 {
			w.Header().Set("Range", "bytes=0-"+strconv.FormatInt(ses.in.n-1, 10))
		}
		if r.Header.Get("X-GUploader-No-308") == "yes" {
			w.Header().Set("X-Http-Status-Code-Override", "308")
			w.WriteHeader(http.StatusOK)
			return
		}
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusPermanentRedirect)
	}
}

func (s *Server) count(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}
