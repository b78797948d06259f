// Command echo-extender is a kube-scheduler extender that decides nothing: filter gives back every name that it was
// sent, or the first MOST of them, and prioritize scores every node alike. It costs what the extender protocol costs a
// program in Go.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"math"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// Field names are those of the wire, k8s.io/kube-scheduler/extender/v1. The pod is skipped.
type arguments struct {
	NodeNames []string
}

type filterResult struct {
	NodeNames []string
}

type hostPriority struct {
	Host  string
	Score int64
}

const score = 5

func main() {
	most, ok := most(os.Args)
	if !ok {
		fmt.Fprintf(os.Stderr, "usage: %s ADDRESS [MOST]\n", os.Args[0])
		os.Exit(2)
	}
	if os.Getenv("FASTFIT_EXIT_WITH_PARENT") != "" {
		go exitWithParent()
	}
	var filtered, prioritized atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /filter", func(w http.ResponseWriter, r *http.Request) {
		filtered.Add(1)
		answer(w, r, func(args *arguments) any { return filterResult{args.NodeNames[:min(most, len(args.NodeNames))]} })
	})
	mux.HandleFunc("POST /prioritize", func(w http.ResponseWriter, r *http.Request) {
		prioritized.Add(1)
		answer(w, r, func(args *arguments) any {
			scores := make([]hostPriority, len(args.NodeNames))
			for i, name := range args.NodeNames {
				scores[i] = hostPriority{name, score}
			}
			return scores
		})
	})
	// How many calls of each verb there were.
	mux.HandleFunc("GET /calls", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"filter":%d,"prioritize":%d}`, filtered.Load(), prioritized.Load())
	})
	log.Fatal(http.ListenAndServe(os.Args[1], mux))
}

// most is how many names a filter call gives back.
func most(args []string) (int, bool) {
	switch len(args) {
	case 2:
		return math.MaxInt, true
	case 3:
		most, err := strconv.Atoi(args[2])
		return most, err == nil && most > 0
	default:
		return 0, false
	}
}

// answer reads the call and writes the reply in one piece: with a Content-Length, kube-scheduler keeps the connection.
func answer(w http.ResponseWriter, r *http.Request, reply func(*arguments) any) {
	var args arguments
	if err := json.NewDecoder(r.Body).Decode(&args); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	body, err := json.Marshal(reply(&args))
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	if _, err := w.Write(body); err != nil {
		log.Print(err)
	}
}

// exitWithParent ends this process once the one that started it is gone: a killed run leaves nothing behind.
func exitWithParent() {
	parent := os.Getppid()
	for os.Getppid() == parent {
		time.Sleep(time.Second)
	}
	os.Exit(1)
}
