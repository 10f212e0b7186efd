package consensus

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The fork versions and epochs after genesis, as version@epoch, in order; "-" is a fork with no date.
var schedules = map[string]string{
	"mainnet": "01000000@74240 02000000@144896 03000000@194048 04000000@269568 05000000@364032 06000000@411392 07000000@-",
	"sepolia": "90000070@50 90000071@100 90000072@56832 90000073@132608 90000074@222464 90000075@272640 90000076@353024",
	"holesky": "02017000@0 03017000@0 04017000@256 05017000@29696 06017000@115968 07017000@165120",
	"hoodi":   "20000910@0 30000910@0 40000910@0 50000910@0 60000910@2048 70000910@50688 80000910@-",
	"gnosis":  "01000064@512 02000064@385536 03000064@648704 04000064@889856 05000064@1337856 06000064@1714688",
	"chiado":  "0100006f@90 0200006f@180 0300006f@244224 0400006f@516608 0500006f@948224 0600006f@1353216",
}

func TestSchedules(t *testing.T) {
	require.Len(t, schedules, len(known))
	for name, text := range schedules {
		n := network(t, name)
		entries := strings.Fields(text)
		require.Len(t, n.Forks, 1+len(entries), name)
		require.NoError(t, checkSchedule(n.Forks), name)
		for i, entry := range entries {
			version, at, _ := strings.Cut(entry, "@")
			want := ScheduledFork{Fork: Fork(i + 1), Epoch: FarFuture}
			_, err := hex.Decode(want.Version[:], []byte(version))
			require.NoError(t, err)
			if at != "-" {
				want.Epoch, err = strconv.ParseUint(at, 10, 64)
				require.NoError(t, err)
			}
			require.Equal(t, want, n.Forks[i+1], "%s %v", name, want.Fork)
		}
	}
}

func TestForkAt(t *testing.T) {
	for _, c := range []struct {
		network string
		epoch   uint64
		fork    Fork
		version string
	}{
		{"mainnet", 0, Phase0, "0x00000000"},
		{"mainnet", 74239, Phase0, "0x00000000"},
		{"mainnet", 74240, Altair, "0x01000000"},
		{"mainnet", 194048, Capella, "0x03000000"},
		{"mainnet", 269567, Capella, "0x03000000"},
		{"mainnet", 269568, Deneb, "0x04000000"},
		{"mainnet", 411392, Fulu, "0x06000000"},
		{"mainnet", math.MaxUint64, Fulu, "0x06000000"}, // Gloas has no date there
		{"hoodi", 0, Deneb, "0x50000910"},
		{"hoodi", 2048, Electra, "0x60000910"},
		{"holesky", 0, Bellatrix, "0x03017000"},
		{"holesky", 256, Capella, "0x04017000"},
		{"sepolia", 353023, Fulu, "0x90000075"},
		{"sepolia", 353024, Gloas, "0x90000076"},
		{"gnosis", 648704, Capella, "0x03000064"},
		{"chiado", 1353216, Fulu, "0x0600006f"},
	} {
		f, err := network(t, c.network).ForkAt(c.epoch)
		require.NoError(t, err)
		require.Equal(t, c.fork, f.Fork, "%s at %d", c.network, c.epoch)
		require.Equal(t, c.version, f.Version.String(), "%s at %d", c.network, c.epoch)
	}
}

func TestEpochOf(t *testing.T) {
	require.Equal(t, uint64(0), Mainnet.EpochOf(31))
	require.Equal(t, uint64(1), Mainnet.EpochOf(32))
	require.Equal(t, uint64(1), Gnosis.EpochOf(31))
	require.Equal(t, uint64(2), Chiado.EpochOf(32))
}

func TestForkNames(t *testing.T) {
	for f := Phase0; f <= Gloas; f++ {
		got, err := ParseFork(f.String())
		require.NoError(t, err)
		require.Equal(t, f, got)
	}
	require.Equal(t, "capella", Capella.String())
	require.Equal(t, "fork 8", (Gloas + 1).String())
	require.Equal(t, "fork -1", Fork(-1).String())
	_, err := ParseFork("Capella")
	require.ErrorContains(t, err, `fork "Capella" is unknown`)
}

// No constant was cut short when it was decoded.
func TestKnownNetworks(t *testing.T) {
	for _, n := range known {
		require.NotZero(t, n.ChainID)
		require.NotZero(t, n.GenesisValidatorsRoot[31])
		require.NotZero(t, n.DepositContract[19])
	}
	require.NotZero(t, Mainnet.EigenPodManager[19])
	require.NotZero(t, Hoodi.EigenPodManager[19])
}

func TestEphemery(t *testing.T) {
	root := [32]byte{7}
	n, err := Ephemery(135, root, nil)
	require.NoError(t, err)
	require.Equal(t, uint64(39438135), n.ChainID)
	require.Equal(t, Version{0x10, 0x00, 0x10, 0x1b}, n.GenesisForkVersion())
	domain, err := n.VoluntaryExitDomain()
	require.NoError(t, err)
	require.Equal(t, Domain(DomainVoluntaryExit, Version{0x40, 0x00, 0x10, 0x1b}, root), domain)
	_, err = n.ForkAt(1)
	require.EqualError(t, err, "consensus: the fork schedule of ephemery after capella is unknown")

	deneb := ScheduledFork{Deneb, Version{0x50, 0x00, 0x10, 0x1b}, 0}
	electra := ScheduledFork{Electra, Version{0x60, 0x00, 0x10, 0x1b}, 10}
	n, err = Ephemery(135, root, []ScheduledFork{deneb, electra})
	require.NoError(t, err)
	at, err := n.ForkAt(9)
	require.NoError(t, err)
	require.Equal(t, deneb, at)
	at, err = n.ForkAt(10)
	require.NoError(t, err)
	require.Equal(t, electra, at)

	_, err = Ephemery(135, root, []ScheduledFork{electra})
	require.EqualError(t, err, "consensus: fork schedule has electra at position 4, the forks from phase0 on without gaps expected")
	_, err = Ephemery(135, [32]byte{}, nil)
	require.EqualError(t, err, "consensus: the genesis validators root of ephemery is unknown")
	_, err = Ephemery(135, Hoodi.GenesisValidatorsRoot, nil)
	require.EqualError(t, err, "consensus: genesis validators root is that of hoodi")
	for _, i := range []uint64{0, ephemeryIterations, math.MaxUint64} {
		_, err = Ephemery(i, root, nil)
		require.ErrorContains(t, err, "is out of range, 1 to 999999 expected")
	}
}
