// Package hollow runs the kubelets of many nodes that do not exist against a real API server: real admission, real
// statuses, real NodeResourceTopology objects, and no containers.
package hollow

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	"fastfit.dev/testcluster/kubelet"
)

// Values of --nrt.
const (
	modeNone  = "none"
	modeExact = "exact"
	modeNFD   = "nfd"
)

// hostIP is the address of every node: there is nothing to reach.
const hostIP = "127.0.0.1"

type options struct {
	kubeconfig, nodesFile, stateFile, stateDir string
	nrt                                        string
	lag                                        time.Duration
	facts, fingerprint, start                  bool
}

// NewCommand returns the hollow-kubelets command.
func NewCommand() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:          "hollow-kubelets",
		Short:        "Run the kubelets of simulated nodes against an API server",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return o.run(ctx)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "how to reach the API server, with the rights of an administrator")
	flags.StringVar(&o.nodesFile, "nodes", "", "JSON file: a list of nodes, each with name, kubelet and machine")
	flags.StringVar(&o.nrt, "nrt", modeExact, "what NodeResourceTopology objects count: exact (every pod), "+
		"nfd (not the pods that have a container with a fractional CPU), none (no objects)")
	flags.DurationVar(&o.lag, "nrt-lag", 0, "time from a change on a node to its NodeResourceTopology")
	flags.BoolVar(&o.fingerprint, "fingerprint", false, "publish nodeTopologyPodsFingerprint over all active pods")
	flags.BoolVar(&o.facts, "facts", false, "annotate nodes with fastfit.dev/kubelet and fastfit.dev/machine")
	flags.BoolVar(&o.start, "start-containers", true, "tell the managers that containers of admitted pods start, "+
		"which returns the memory of finished init containers; false leaves pods between admission and start")
	flags.StringVar(&o.stateFile, "state-file", "", "file to write every verdict and holding to")
	flags.StringVar(&o.stateDir, "state-dir", "", "directory of the managers' state files, one directory a node; "+
		"kept, so that a second start is a kubelet restart (default: a temporary one)")
	return command
}

func (o *options) run(ctx context.Context) error {
	klog.SetLogger(logr.Discard()) // the managers log every hint
	if err := kubelet.EnableAlphaOptions(); err != nil {
		return err
	}
	specs, err := o.readNodes()
	if err != nil {
		return err
	}
	api, err := newAPI(o.kubeconfig)
	if err != nil {
		return err
	}
	stateDir := o.stateDir
	if stateDir == "" {
		stateDir, err = os.MkdirTemp("", "hollow-kubelets-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(stateDir)
	}
	truth := newTruth(o.stateFile, specs)
	agents := map[string]*agent{}
	for _, spec := range specs {
		directory := filepath.Join(stateDir, spec.Name)
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
		agents[spec.Name], err = newAgent(spec, o, api, truth, directory)
		if err != nil {
			return err
		}
	}
	return o.serve(ctx, api, agents, truth)
}

func (o *options) readNodes() ([]*Spec, error) {
	if err := parseMode(o.nrt); err != nil {
		return nil, fmt.Errorf("--nrt: %w", err)
	}
	content, err := os.ReadFile(o.nodesFile)
	if err != nil {
		return nil, fmt.Errorf("--nodes: %w", err)
	}
	var specs []*Spec
	if err := json.Unmarshal(content, &specs); err != nil {
		return nil, fmt.Errorf("--nodes: %s: %w", o.nodesFile, err)
	}
	for _, spec := range specs {
		if err := spec.decode(); err != nil {
			return nil, err
		}
		if spec.NRT != "" {
			if err := parseMode(spec.NRT); err != nil {
				return nil, fmt.Errorf("node %q: %w", spec.Name, err)
			}
		}
	}
	return specs, nil
}

// serve registers the nodes, admits what is bound already, and then works until the context ends or a node fails.
func (o *options) serve(stopped context.Context, api *api, agents map[string]*agent, truth *truth) error {
	ctx, cancel := context.WithCancelCause(stopped)
	defer cancel(nil)
	recorders := record.NewBroadcaster()
	recorders.StartRecordingToSink(&corev1client.EventSinkImpl{Interface: api.core.CoreV1().Events("")})
	defer recorders.Shutdown()

	var registering sync.WaitGroup
	for name, agent := range agents {
		agent.recorder = recorders.NewRecorder(scheme.Scheme, v1.EventSource{Component: "kubelet", Host: name})
		registering.Go(func() { api.register(ctx, agent.registered) })
	}
	registering.Wait()

	nodes := informers.NewSharedInformerFactory(api.core, 0)
	nodeInformer := nodes.Core().V1().Nodes()
	nodeInformer.Informer()
	pods := informers.NewSharedInformerFactoryWithOptions(api.core, 0, informers.WithTweakListOptions(
		func(list *metav1.ListOptions) {
			list.FieldSelector = fields.OneTermNotEqualSelector("spec.nodeName", "").String()
		}))
	podInformer := pods.Core().V1().Pods()
	if _, err := podInformer.Informer().AddEventHandler(deliverTo(agents)); err != nil {
		return err
	}
	for _, factory := range []informers.SharedInformerFactory{nodes, pods} {
		factory.Start(ctx.Done())
		factory.WaitForCacheSync(ctx.Done())
	}

	var resuming, working sync.WaitGroup
	for _, agent := range agents {
		agent.nodes = nodeInformer.Lister()
		bound, err := boundTo(podInformer.Lister(), agent.spec.Name)
		if err != nil {
			return err
		}
		resuming.Go(func() { cancelOn(cancel, agent.resume(ctx, bound)) })
	}
	resuming.Wait()
	for _, agent := range agents {
		working.Go(func() { cancelOn(cancel, agent.run(ctx)) })
		working.Go(func() { cancelOn(cancel, agent.report(ctx)) })
	}
	if err := truth.setReady(); err != nil {
		return err
	}
	log.Printf("%d hollow kubelets are ready", len(agents))
	<-ctx.Done()
	working.Wait()
	if stopped.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

func cancelOn(cancel context.CancelCauseFunc, err error) {
	if err != nil {
		cancel(err)
	}
}

func boundTo(pods corelisters.PodLister, node string) ([]*v1.Pod, error) {
	all, err := pods.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	var bound []*v1.Pod
	for _, pod := range all {
		if pod.Spec.NodeName == node {
			bound = append(bound, pod)
		}
	}
	return bound, nil
}

// deliverTo hands every pod to the kubelet of its node; pods of other nodes are nobody's business.
func deliverTo(agents map[string]*agent) cache.ResourceEventHandler {
	deliver := func(object any, gone bool) {
		if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = unknown.Obj
		}
		pod, ok := object.(*v1.Pod)
		if !ok {
			return
		}
		if agent := agents[pod.Spec.NodeName]; agent != nil {
			agent.inbox.put(podEvent{pod, gone})
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { deliver(object, false) },
		UpdateFunc: func(_, object any) { deliver(object, false) },
		DeleteFunc: func(object any) { deliver(object, true) },
	}
}
