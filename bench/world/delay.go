package world

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// ServeDelay is the role of a proxy that makes a distant peer of a near one:
// every octet takes half a round trip each way, however many are under way. A
// rate above 0 limits what a connection carries each way, in octets a second.
func ServeDelay(ctx context.Context, say io.Writer, to, roundTrip, rate string) error {
	rtt, err := time.ParseDuration(roundTrip)
	if err != nil {
		return err
	}
	perSecond, err := strconv.ParseFloat(rate, 64)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(say, l.Addr())
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
			go late(far, near, rtt/2, perSecond)
			late(near, far, rtt/2, perSecond)
		}()
	}
}

// parcel is what was read at a time.
type parcel struct {
	octets []byte
	due    time.Time
}

// late copies from r to w, each octet d later than it came.
func late(w, r net.Conn, d time.Duration, rate float64) {
	defer w.Close()
	way := make(chan parcel, 1024)
	if rate > 0 {
		way = make(chan parcel) // a narrow way holds the sender back
	}
	go func() {
		defer close(way)
		for {
			b := make([]byte, 64<<10)
			n, err := r.Read(b)
			if n > 0 {
				way <- parcel{b[:n], time.Now().Add(d)}
			}
			if rate > 0 {
				time.Sleep(time.Duration(float64(n) / rate * float64(time.Second)))
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
