package plugins

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

// idleFor is how long an instance waits for its next message.
const idleFor = time.Minute

// pool keeps the instances of a plugin that nobody uses. There are never more
// than there were calls at once, and a minute after the last none.
type pool struct {
	mu    sync.Mutex
	free  []resting // the last one was used last
	timer *time.Timer
	ended bool
}

type resting struct {
	*instance
	since time.Time
}

func (p *pool) take() *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.free) - 1
	if last < 0 {
		return nil
	}
	in := p.free[last].instance
	p.free[last] = resting{}
	p.free = p.free[:last]
	return in
}

func (p *pool) put(in *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		in.close()
		return
	}
	p.free = append(p.free, resting{in, time.Now()})
	if p.timer == nil {
		p.timer = time.AfterFunc(idleFor, p.sweep)
	}
}

// sweep closes what has rested long enough and comes again while there is more.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.free) && time.Since(p.free[n].since) >= idleFor {
		p.free[n].close()
		n++
	}
	p.free = append(p.free[:0], p.free[n:]...)
	clear(p.free[len(p.free):cap(p.free)])
	if p.timer = nil; len(p.free) > 0 && !p.ended {
		p.timer = time.AfterFunc(idleFor, p.sweep)
	}
}

// stop closes all; those that are out are closed when they come back.
func (p *pool) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	for _, r := range p.free {
		r.close()
	}
	p.free = nil
}

// snapshot is the state of an instance that has seen its settings.
type snapshot struct {
	memory []byte // without the zeros at its end
	size   int    // octets of memory
	state  []uint64
}

type snapshotKey struct {
	plugin Digest
	config [sha256.Size]byte
}

// snapshots keeps those that were used last, up to a number of octets. One that
// is gone is made again.
type snapshots struct {
	mu    sync.Mutex
	room  int
	taken int
	order *list.List // of *kept, the one used last in front
	by    map[snapshotKey]*list.Element
}

type kept struct {
	key snapshotKey
	*snapshot
}

func newSnapshots(room int) *snapshots {
	return &snapshots{room: room, order: list.New(), by: map[snapshotKey]*list.Element{}}
}

func (s *snapshots) get(key snapshotKey) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.by[key]
	if e == nil {
		return nil
	}
	s.order.MoveToFront(e)
	return e.Value.(*kept).snapshot
}

func (s *snapshots) put(key snapshotKey, snap *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.by[key]; e != nil {
		s.drop(e)
	}
	s.by[key] = s.order.PushFront(&kept{key, snap})
	s.taken += len(snap.memory)
	for s.taken > s.room && s.order.Len() > 1 {
		s.drop(s.order.Back())
	}
}

func (s *snapshots) drop(e *list.Element) {
	k := s.order.Remove(e).(*kept)
	delete(s.by, k.key)
	s.taken -= len(k.memory)
}

func (s *snapshots) forget(plugin Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, e := range s.by {
		if key.plugin == plugin {
			s.drop(e)
		}
	}
}
