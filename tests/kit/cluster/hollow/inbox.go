package hollow

import (
	"context"
	"sync"

	v1 "k8s.io/api/core/v1"
)

// podEvent is a pod as the watch last showed it; gone once it was deleted from the API.
type podEvent struct {
	pod  *v1.Pod
	gone bool
}

// inbox is an unbounded queue in arrival order: the watch must never wait for a node that is busy admitting.
type inbox struct {
	mutex  sync.Mutex
	events []podEvent
	filled chan struct{}
}

func newInbox() *inbox { return &inbox{filled: make(chan struct{}, 1)} }

func (i *inbox) put(event podEvent) {
	i.mutex.Lock()
	i.events = append(i.events, event)
	i.mutex.Unlock()
	select {
	case i.filled <- struct{}{}:
	default:
	}
}

// take waits for events and returns all of them; none when the context ended.
func (i *inbox) take(ctx context.Context) []podEvent {
	for {
		i.mutex.Lock()
		events := i.events
		i.events = nil
		i.mutex.Unlock()
		if len(events) > 0 {
			return events
		}
		select {
		case <-ctx.Done():
			return nil
		case <-i.filled:
		}
	}
}
