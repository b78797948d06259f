package hollow

import (
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/cespare/xxhash/v2"
	v1 "k8s.io/api/core/v1"
)

// fingerprint names a set of pods the way exporters do in the attribute nodeTopologyPodsFingerprint: the hash of the
// sorted hashes of the pods' names, each seeded with the hash of its namespace. Equal sets give equal strings.
func fingerprint(pods []*v1.Pod) string {
	hashes := make([]uint64, 0, len(pods))
	for _, pod := range pods {
		digest := xxhash.NewWithSeed(xxhash.Sum64String(pod.Namespace))
		_, _ = digest.WriteString(pod.Name) // never fails
		hashes = append(hashes, digest.Sum64())
	}
	slices.Sort(hashes)
	whole := xxhash.New()
	for _, hash := range hashes {
		_, _ = whole.Write(binary.LittleEndian.AppendUint64(nil, hash))
	}
	return "pfp0v001" + hex.EncodeToString(whole.Sum(nil))
}
