package chatterbox_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"chatterbox"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/wire"
)

// Two members in one process; one of them speaks, both print the same log.
func Example() {
	var list member.List
	var listeners []net.Listener
	for _, name := range []string{"ann", "bob"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		port := listener.Addr().(*net.TCPAddr).Port
		listeners = append(listeners, listener)
		list = append(list, member.Member{Name: name, Host: "127.0.0.1", Port: port})
	}

	ctx := context.Background()
	logs := make([][]string, len(list))
	var nodes []*chatterbox.Node
	for i, listener := range listeners {
		node, err := chatterbox.Start(ctx, chatterbox.Config{
			Members: list, Self: member.ID(i), Listener: listener,
			Deliver: func(batches []protocol.Batch) {
				for k := range batches {
					for payload := range wire.Payloads(&batches[k]).All() {
						logs[i] = append(logs[i], list[batches[k].Origin].Name+": "+string(payload))
					}
				}
			},
		})
		if err != nil {
			log.Fatal(err)
		}
		nodes = append(nodes, node)
	}

	for _, word := range []string{"hello", "world"} {
		if err := nodes[0].Broadcast(ctx, []byte(word)); err != nil {
			log.Fatal(err)
		}
	}
	for _, node := range nodes {
		node.CloseStream()
	}
	for i, node := range nodes {
		<-node.AllComplete()
		if err := node.Close(ctx); err != nil {
			log.Fatal(err)
		}
		fmt.Println(logs[i])
	}
	// Output:
	// [ann: hello ann: world]
	// [ann: hello ann: world]
}
