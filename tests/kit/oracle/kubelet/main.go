// Command fastfit-oracle plays node lives on the real CPU, Memory and Topology Managers of a kubelet.
//
// It reads scenarios in the golden format (tests/golden/kubelet/README.md), one JSON object per line, from the files
// named (gzip if the name ends in .gz) or from standard input, and prints each with `observed` and `state` as the
// managers answer. An answer is flushed before the next line is read, so that a caller can converse with it.
// Feature gates belong to the process: all scenarios of one process run with the alpha CPU options enabled.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"fastfit.dev/testcluster/kubelet"
)

func main() {
	// The managers log every hint, which would be most of the work.
	klog.SetLogger(logr.Discard())
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fastfit-oracle:", err)
		os.Exit(1)
	}
}

func run(files []string, input io.Reader, output io.Writer) error {
	if err := kubelet.EnableAlphaOptions(); err != nil {
		return err
	}
	if len(files) == 0 {
		return playAll("standard input", input, output)
	}
	for _, name := range files {
		if err := playFile(name, output); err != nil {
			return err
		}
	}
	return nil
}

func playFile(name string, output io.Writer) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if !strings.HasSuffix(name, ".gz") {
		return playAll(name, file, output)
	}
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return playAll(name, unzipped, output)
}

func playAll(name string, input io.Reader, output io.Writer) error {
	scratch := scratchDirectory()
	lines := bufio.NewReaderSize(input, 1<<20)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(bytes.TrimSpace(line)) > 0 {
			answer, playErr := reply(line, scratch)
			if playErr != nil {
				return fmt.Errorf("%s line %d: %w", name, number, playErr)
			}
			if _, writeErr := output.Write(append(answer, '\n')); writeErr != nil {
				return writeErr
			}
		}
		if err != nil {
			return nil
		}
	}
}

// scratchDirectory prefers memory to a disk: the managers sync their state files at every change.
func scratchDirectory() string {
	const shared = "/dev/shm"
	if info, err := os.Stat(shared); err == nil && info.IsDir() {
		return shared
	}
	return os.TempDir()
}
