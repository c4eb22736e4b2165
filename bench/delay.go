package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// delay is a proxy that makes a distant peer of a near one: every octet takes
// half a round trip each way, however many are under way.
func delay(ctx context.Context, to, roundTrip string) error {
	rtt, err := time.ParseDuration(roundTrip)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	context.AfterFunc(ctx, func() { _ = l.Close() })
	for {
		near, err := l.Accept()
		if err != nil {
			return nil
		}
		go func() {
			time.Sleep(rtt) // the handshake
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				return
			}
			go late(far, near, rtt/2)
			late(near, far, rtt/2)
		}()
	}
}

// parcel is what was read at a time.
type parcel struct {
	octets []byte
	due    time.Time
}

// late copies from r to w, each octet d later than it came.
func late(w, r net.Conn, d time.Duration) {
	defer w.Close()
	way := make(chan parcel, 1024)
	go func() {
		defer close(way)
		for {
			b := make([]byte, 64<<10)
			n, err := r.Read(b)
			if n > 0 {
				way <- parcel{b[:n], time.Now().Add(d)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range way {
		time.Sleep(time.Until(p.due))
		if _, err := w.Write(p.octets); err != nil {
			_, _ = io.Copy(io.Discard, r)
			for range way { // let the reader end
			}
			return
		}
	}
}
