package chatterbox_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"chatterbox"
)

// A cluster of one member: it writes, and reads what has settled.
func Example() {
	ctx := context.Background()
	node, err := chatterbox.Open(ctx, chatterbox.Config{
		Name: "ann", Members: []chatterbox.Member{{Name: "ann", Address: freeAddress()}}, Volatile: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	var last chatterbox.ID
	for _, word := range []string{"hello", "world"} {
		if last, err = node.Broadcast(ctx, []byte(word)); err != nil {
			log.Fatal(err)
		}
	}
	for entry, err := range node.Entries(ctx, 0) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(entry.Position, entry.ID, string(entry.Payload))
		if entry.ID == last {
			break
		}
	}
	if err := node.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1 ann/1 hello
	// 2 ann/2 world
}

// freeAddress returns an address on this machine that nobody listens on.
func freeAddress() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
