// Go: two goroutines and a channel for each client.
//
// A writer flushes when its channel is empty. A client loses the lines that come while its channel
// is full.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
)

const (
	waiting      = 1024 // how many lines may wait for one client
	welcomeNames = 20
)

type client struct {
	name string
	out  chan []byte
}

var (
	lock    sync.Mutex
	clients []*client // in order of joining
)

// broadcast gives a line to the writers of all others. The lock is held.
func broadcast(line []byte, sender *client) {
	for _, c := range clients {
		if c != sender {
			select {
			case c.out <- line:
			default:
			}
		}
	}
}

func join(c *client) {
	lock.Lock()
	defer lock.Unlock()
	clients = append(clients, c)
	names := make([]string, 0, welcomeNames)
	for _, c := range clients[:min(len(clients), welcomeNames)] {
		names = append(names, c.name)
	}
	more := ""
	if len(clients) > welcomeNames {
		more = fmt.Sprintf(" … and %d more", len(clients)-welcomeNames)
	}
	c.out <- []byte(fmt.Sprintf("*** welcome, %s (%d here: %s%s)\n",
		c.name, len(clients), strings.Join(names, ", "), more))
	broadcast([]byte(fmt.Sprintf("*** %s joined (%d here)\n", c.name, len(clients))), c)
}

func leave(c *client) {
	lock.Lock()
	defer lock.Unlock()
	for i, other := range clients {
		if other == c {
			clients = append(clients[:i], clients[i+1:]...)
			break
		}
	}
	broadcast([]byte(fmt.Sprintf("*** %s left (%d here)\n", c.name, len(clients))), c)
	close(c.out)
}

func write(conn net.Conn, out <-chan []byte) {
	writer := bufio.NewWriter(conn)
	for line := range out {
		writer.Write(line)
		if len(out) == 0 {
			writer.Flush() // when it fails, the reader fails too, and the channel is closed
		}
	}
}

func serve(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	if !lines.Scan() {
		return
	}
	c := &client{name: lines.Text(), out: make(chan []byte, waiting)}
	go write(conn, c.out)
	join(c)
	defer leave(c)
	for lines.Scan() && lines.Text() != "q" {
		line := []byte(c.name + ": " + lines.Text() + "\n")
		lock.Lock()
		broadcast(line, c)
		lock.Unlock()
	}
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func main() {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening on", listener.Addr())
	for {
		conn, err := listener.Accept()
		if err == nil {
			go serve(conn)
		}
	}
}
