// Command fastfit-kubevirt-oracle boots and migrates VMs with the functions of KubeVirt's launcher.
//
// It reads cases in the golden format (tests/golden/kubevirt/README.md), one JSON object per line, from standard input
// and prints each with `observed`, and for a migration `observedBoot` and `observedPrepare`, as KubeVirt answers. An
// answer is flushed before the next line is read, so that a caller can converse with it. `libvirt` is dropped: nothing
// here asks libvirt. Where KubeVirt's code panics, the answer has `panic` with its words and no observation.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"kubevirt.io/client-go/log"
)

// answers are the keys of a case that an oracle writes.
var answers = []string{"observed", "observedBoot", "observedPrepare", "libvirt", "panic"}

func main() {
	// KubeVirt logs every error that it returns.
	log.Log.SetIOWriter(io.Discard)
	if err := converse(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fastfit-kubevirt-oracle:", err)
		os.Exit(1)
	}
}

func converse(input io.Reader, output io.Writer) error {
	lines := bufio.NewReaderSize(input, 1<<20)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(bytes.TrimSpace(line)) > 0 {
			answered, answerErr := answer(line)
			if answerErr != nil {
				return fmt.Errorf("line %d: %w", number, answerErr)
			}
			if _, writeErr := output.Write(append(answered, '\n')); writeErr != nil {
				return writeErr
			}
		}
		if err != nil {
			return nil
		}
	}
}

// answer returns the case of one line with KubeVirt's answers in place of those it came with.
func answer(line []byte) ([]byte, error) {
	whole := map[string]json.RawMessage{}
	if err := json.Unmarshal(line, &whole); err != nil {
		return nil, err
	}
	for _, key := range answers {
		delete(whole, key)
	}
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	told, err := play(asked)
	if err != nil {
		return nil, err
	}
	for key, value := range told {
		encoded, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		whole[key] = encoded
	}
	return json.Marshal(whole)
}

// play answers a boot or, if there is a target, a migration.
func play(asked question) (told map[string]any, err error) {
	defer func() {
		if words := recover(); words != nil {
			told = map[string]any{"panic": fmt.Sprint(words)}
		}
	}()
	if asked.Target != nil {
		return playMigration(asked)
	}
	return playBoot(asked)
}

func playBoot(asked question) (map[string]any, error) {
	host, err := asked.read()
	if err != nil {
		return nil, err
	}
	vmi, err := asked.VM.instance(asked.VM.Sockets)
	if err != nil {
		return nil, err
	}
	domain, refusal := boot(vmi, host)
	if refusal != nil {
		return map[string]any{"observed": failure{refusal.Error()}}, nil
	}
	seen, err := observe(domain)
	return map[string]any{"observed": seen}, err
}

func playMigration(asked question) (map[string]any, error) {
	source, err := asked.Source.read()
	if err != nil {
		return nil, err
	}
	target, err := asked.Target.read()
	if err != nil {
		return nil, err
	}
	atBoot, enabled := asked.VM.Sockets, uint32(0)
	if asked.Boot != nil {
		atBoot, enabled = asked.Boot.Sockets, asked.Boot.EnabledSockets
	}
	vmiAtBoot, err := asked.VM.instance(atBoot)
	if err != nil {
		return nil, err
	}
	vmi, err := asked.VM.instance(asked.VM.Sockets)
	if err != nil {
		return nil, err
	}

	domain, refusal := boot(vmiAtBoot, source)
	if refusal != nil {
		return map[string]any{"observedBoot": failure{refusal.Error()}}, nil
	}
	seen, err := observe(domain)
	if err != nil {
		return nil, err
	}
	told := map[string]any{"observedBoot": seen}

	// The target's launcher converts the whole VM first: an error there ends the migration before the hook.
	prepared, refusal := boot(vmi, target)
	if refusal != nil {
		told["observedPrepare"], told["observed"] = failure{refusal.Error()}, failure{refusal.Error()}
		return told, nil
	}
	told["observedPrepare"] = pinsOnly(prepared)

	running, err := asXML(domain)
	if err != nil {
		return nil, err
	}
	asLibvirtRunsIt(running, enabled*asked.VM.Cores*asked.VM.Threads)
	if refusal := hook(vmi, target, running); refusal != nil {
		told["observed"] = failure{refusal.Error()}
		return told, nil
	}
	told["observed"], err = observeXML(running)
	return told, err
}
