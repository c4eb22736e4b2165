package testkit

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports that Ports gives are below those that the system hands out by
// itself (Linux: 32768 and up), or a connection of another test could have one
// before the server that it is for.
const (
	firstPort = 15_000
	lastPort  = 32_000
)

var given sync.Map // of int: by this process

// Ports gives n ports of the loopback that nobody listens on, for servers that
// have to be told theirs.
func Ports(n int) ([]int, error) {
	var ports []int
	for range 1000 {
		if len(ports) == n {
			return ports, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort)
		if _, again := given.LoadOrStore(port, true); again {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		_ = l.Close()
		ports = append(ports, port)
	}
	return nil, errors.New("testkit: no port is free")
}
