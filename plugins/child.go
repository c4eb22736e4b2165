package plugins

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os/exec"
	"sync"
	"time"
)

// child is one process of a worker.
type child struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	since time.Time
	gone  chan struct{} // closed when it has ended

	writing sync.Mutex
	frame   []byte

	mu      sync.Mutex
	last    uint64 // ID of a request
	waiting map[uint64]*waiting
	done    map[any]*doing // modules and rules that it has
}

type waiting struct {
	answer chan reply // closed: it has ended
	limit  *time.Timer
}

type doing struct {
	once sync.Once
	err  error
}

// errEnded is what callers get whose request it had when it ended.
var errEnded = errors.New("plugins: the worker ended")

// launch starts a process; ended is told once when it is gone.
func launch(command []string, ended func(*child)) (*child, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env, cmd.Dir = []string{}, "/"
	apart(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, in: in, since: time.Now(), gone: make(chan struct{}), waiting: map[uint64]*waiting{}, done: map[any]*doing{}}
	go func() {
		c.read(out)
		c.kill() // who says what it should not is ended too
		_ = cmd.Wait()
		ended(c)
		c.leave()
	}()
	return c, nil
}

func (c *child) kill() { _ = c.cmd.Process.Kill() }

// end ends it and waits until it has.
func (c *child) end() {
	c.kill()
	<-c.gone
}

func (c *child) read(out io.Reader) {
	r := bufio.NewReader(out)
	for {
		var answer reply
		if _, err := readFrame(r, maxReply, &answer); err != nil {
			return
		}
		c.mu.Lock()
		w := c.waiting[answer.ID]
		delete(c.waiting, answer.ID)
		c.mu.Unlock()
		if w != nil {
			w.limit.Stop()
			w.answer <- answer
		}
	}
}

// leave tells all who wait.
func (c *child) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.gone)
	for _, w := range c.waiting {
		w.limit.Stop()
		close(w.answer)
	}
	c.waiting = nil
}

// ask sends a request and waits for its answer; if that takes longer than the
// limit, the process is ended, also when nobody waits any more. Its error is
// errEnded, or why ctx ended.
func (c *child) ask(ctx context.Context, q *request, octets []byte, limit time.Duration) (reply, error) {
	w := &waiting{answer: make(chan reply, 1)}
	c.mu.Lock()
	if c.waiting == nil {
		c.mu.Unlock()
		return reply{}, errEnded
	}
	c.last++
	q.ID = c.last
	w.limit = time.AfterFunc(limit, c.kill)
	c.waiting[q.ID] = w
	c.mu.Unlock()
	c.send(q, octets)
	select {
	case answer, ok := <-w.answer:
		if !ok {
			return reply{}, errEnded
		}
		return answer, nil
	case <-ctx.Done():
		return reply{}, context.Cause(ctx)
	}
}

// send writes a request. An error needs no other answer than the end of the
// process, which the reader sees.
func (c *child) send(q *request, octets []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	frame, err := appendFrame(c.frame[:0], q, octets)
	if err == nil {
		_, err = c.in.Write(frame)
	}
	if err != nil {
		c.kill()
	}
	clear(frame) // a header is kept no longer than it takes
	if c.frame = frame[:0]; cap(frame) > 64<<10 {
		c.frame = nil
	}
}

// once does something for a key one time in the life of the process; what failed
// is done again.
func (c *child) once(key any, do func() error) error {
	c.mu.Lock()
	d := c.done[key]
	if d == nil {
		d = &doing{}
		c.done[key] = d
	}
	c.mu.Unlock()
	d.once.Do(func() {
		if d.err = do(); d.err != nil {
			c.forget(key)
		}
	})
	return d.err
}

// forget lets once do something again.
func (c *child) forget(keys ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		delete(c.done, key)
	}
}
