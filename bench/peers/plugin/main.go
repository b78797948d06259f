// Command plugin-scheduler is kube-scheduler with the NodeResourceTopologyMatch plugin of scheduler-plugins compiled
// in: the NUMA awareness that exists as a plugin. A profile that does not name the plugin makes the plain scheduler of
// the same binary.
package main

import (
	"os"
	"time"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	// The plugin's arguments are decoded with the scheme that this import extends.
	_ "sigs.k8s.io/scheduler-plugins/apis/config/scheme"
	"sigs.k8s.io/scheduler-plugins/pkg/noderesourcetopology"
)

func main() {
	if os.Getenv("FASTFIT_EXIT_WITH_PARENT") != "" {
		go exitWithParent()
	}
	command := app.NewSchedulerCommand(app.WithPlugin(noderesourcetopology.Name, noderesourcetopology.New))
	os.Exit(cli.Run(command))
}

// exitWithParent ends this process once the one that started it is gone: a killed run leaves nothing behind.
func exitWithParent() {
	parent := os.Getppid()
	for os.Getppid() == parent {
		time.Sleep(time.Second)
	}
	os.Exit(1)
}
