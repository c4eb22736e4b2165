package vaulttest

import (
	"bytes"
	"context"
	"io/fs"
	"iter"
	"maps"
	"strings"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Memory is a vault.Shelf that forgets with the process. The zero value is ready.
type Memory struct {
	mu      sync.Mutex
	records map[string][]byte
}

func missing(name string, err error) error {
	return &mail.Fault{Class: mail.Setup, Code: "key_missing", Text: "key record " + name, Err: err}
}

// Get implements vault.Shelf.
func (m *Memory) Get(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, ok := m.records[name]; ok {
		return bytes.Clone(b), nil
	}
	return nil, missing(name, fs.ErrNotExist)
}

// Create implements vault.Shelf.
func (m *Memory) Create(_ context.Context, name string, record []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.records[name]; ok {
		return missing(name, fs.ErrExist)
	}
	if m.records == nil {
		m.records = map[string][]byte{}
	}
	m.records[name] = bytes.Clone(record)
	return nil
}

// Swap implements vault.Shelf.
func (m *Memory) Swap(_ context.Context, name string, old, next []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, ok := m.records[name]; !ok || !bytes.Equal(b, old) {
		return missing(name, fs.ErrNotExist)
	}
	m.records[name] = bytes.Clone(next)
	return nil
}

// Destroy implements vault.Shelf.
func (m *Memory) Destroy(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.records, func(n string, b []byte) bool {
		gone := n == name || strings.HasPrefix(n, name+"/")
		if gone {
			clear(b)
		}
		return gone
	})
	return nil
}

// List implements vault.Shelf.
func (m *Memory) List(ctx context.Context) iter.Seq2[vault.Record, error] {
	return func(yield func(vault.Record, error) bool) {
		m.mu.Lock()
		var all []vault.Record
		for name, b := range m.records {
			all = append(all, vault.Record{Name: name, Octets: bytes.Clone(b)})
		}
		m.mu.Unlock()
		for _, r := range all {
			if err := ctx.Err(); err != nil {
				yield(vault.Record{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}
