package config

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/settings.md")

func TestReferenceIsUpToDate(t *testing.T) {
	const path = "../docs/settings.md"
	if *update {
		if err := os.WriteFile(path, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Reference() {
		t.Errorf("%s is not what the struct tags say; run: go test ./config -update", path)
	}
}

func TestTheCompleteFileIsTheDefaults(t *testing.T) {
	_, text, _ := strings.Cut(Reference(), "```yaml\n")
	text, _, _ = strings.Cut(text, "```")
	got := load(t, Options{File: write(t, text), LookupEnv: env(nil)}).Redacted()
	for _, f := range fields(&Settings{}) {
		if !strings.Contains(text, f.key[strings.LastIndexByte(f.key, '.')+1:]+": ") {
			t.Errorf("%s is missing", f.key)
		}
	}
	want := load(t, Options{File: write(t, "control: postgres://postgres@127.0.0.1:5432/app"), LookupEnv: env(nil)}).Redacted()
	delete(got, "rules") // each lies beside its file
	delete(want, "rules")
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %s, the default is %s", key, got[key], value)
		}
	}
}

func TestEverySettingIsDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range fields(&Settings{}) {
		if f.doc == "" || f.kind == "" || seen[f.env()] || seen[f.flag()] {
			t.Errorf("%s lacks doc or kind, or shares its variable or flag", f.key)
		}
		seen[f.env()], seen[f.flag()] = true, true
		if f.fallback != "" {
			if err := f.set(f.fallback); err != nil {
				t.Errorf("the default of %s: %v", f.key, err)
			}
		}
	}
}

func TestSizesReadBackWhatTheyPrint(t *testing.T) {
	for text, want := range map[string]int{"1": 1, "17B": 17, "1kB": 1000, "1KiB": 1024, "3MB": 3e6, "4 MiB": 4 << 20, "1GB": 1e9, "1GiB": 1 << 30} {
		got, err := parseBytes(text)
		if err != nil || got != want {
			t.Errorf("%s is %v (%v), want %d", text, got, err, want)
		}
		if again, err := parseBytes(formatBytes(want)); err != nil || again != want {
			t.Errorf("%d is printed as %s", want, formatBytes(want))
		}
	}
	for _, text := range []string{"", "0", "-1", "1.5MiB", "4M", "4GiB", "99999999999999999999", "MiB"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}
