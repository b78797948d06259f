// Command fastfit-cluster is a whole control plane in one file: the first argument chooses which part of it
// this process is. Each part runs as a process of its own, because every one of them owns its flags, feature
// gates, signal handlers and metrics; what they share is one link and one download of the modules.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	"fastfit.dev/testcluster/hollow"
)

var parts = map[string]func() *cobra.Command{
	"etcd":            newEtcdCommand,
	"kube-apiserver":  apiserver.NewAPIServerCommand,
	"kube-scheduler":  func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubectl":         kubectl.NewDefaultKubectlCommand,
	"hollow-kubelets": hollow.NewCommand,
}

func main() {
	if len(os.Args) < 2 || parts[os.Args[1]] == nil {
		fmt.Fprintf(os.Stderr, "usage: %s etcd|kube-apiserver|kube-scheduler|kubectl|hollow-kubelets [flags]\n",
			filepath.Base(os.Args[0]))
		os.Exit(2)
	}
	part := os.Args[1]
	if os.Getenv("FASTFIT_EXIT_WITH_PARENT") != "" {
		go exitWithParent()
	}
	// The commands parse os.Args themselves; the part takes the place of the program name.
	os.Args = os.Args[1:]
	command := parts[part]()
	if part == "kubectl" {
		if err := cli.RunNoErrOutput(command); err != nil {
			kubectlutil.CheckErr(err)
		}
		return
	}
	os.Exit(cli.Run(command))
}

// exitWithParent ends this process once the one that started it is gone: a killed test run leaves nothing behind.
func exitWithParent() {
	parent := os.Getppid()
	for os.Getppid() == parent {
		time.Sleep(time.Second)
	}
	os.Exit(1)
}
