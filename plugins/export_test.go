package plugins

import "testing"

// Occupy takes one slot of the host until it is released.
func (h *Host) Occupy(t *testing.T) (release func()) {
	t.Helper()
	release, err := h.slot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return release
}

// Idle counts the instances that rest.
func (p *Plugin) Idle() int {
	p.idle.mu.Lock()
	defer p.idle.mu.Unlock()
	return len(p.idle.free)
}
