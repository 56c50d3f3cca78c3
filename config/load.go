package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// DefaultFile is read when Options.File is empty.
const DefaultFile = "pgjanus.yaml"

// Options says where settings come from. The zero value reads DefaultFile in
// the working directory and the environment.
type Options struct {
	// File is the settings file. When it is empty, DefaultFile is read, and may
	// be absent if the environment or flags set control.
	File string
	// Flags are command-line flags as AddFlags makes them; only those that were
	// given count. Others are ignored. It may be nil.
	Flags *pflag.FlagSet
	// Set has settings by key, such as "admin.listen"; it outranks everything.
	Set map[string]string
	// LookupEnv is os.LookupEnv unless set. Empty variables count as absent.
	LookupEnv func(string) (string, bool)
}

// Load reads and validates the settings. The error names everything that is
// wrong, one a line, each with where the value comes from, what is wrong with
// it and what is allowed.
func Load(opts Options) (*Settings, error) {
	s := &Settings{}
	list := fields(s)
	over, err := overlay(list, opts)
	if err != nil {
		return nil, err
	}
	v, src, err := readFile(opts.File, list, over)
	if err != nil {
		return nil, err
	}
	problems := src.problems
	for _, f := range list {
		place := f.key
		o, overridden := over[f.key]
		at, inFile := src.places[f.key]
		switch {
		case overridden:
			place = o.place + ": " + f.key
			v.Set(f.key, o.text)
		case src.faulty[f.key]:
			continue
		case inFile:
			place = at + ": " + f.key
		case src.name != "":
			place = src.name + ": " + f.key
		}
		if err := f.set(v.GetString(f.key)); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", place, err))
		}
	}
	if len(problems) == 0 {
		problems = s.check()
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	s.File = src.name
	if _, ok := over["rules"]; !ok && !filepath.IsAbs(s.Rules) {
		s.Rules = filepath.Join(filepath.Dir(src.name), s.Rules)
	}
	return s, nil
}

// readFile reads the settings file into a viper of its own. A file that is not
// there is an error unless it may be absent.
func readFile(name string, list []field, over map[string]override) (*viper.Viper, *source, error) {
	v := viper.New()
	v.SetConfigType("yaml")
	keys := make([]string, len(list))
	for i, f := range list {
		keys[i] = f.key
		v.SetDefault(f.key, f.fallback)
	}
	path := name
	if path == "" {
		path = DefaultFile
	}
	data, err := os.ReadFile(path)
	_, hasControl := over["control"]
	switch {
	case errors.Is(err, fs.ErrNotExist) && name == "" && hasControl:
		return v, inspect("", nil, keys), nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, missingFile(path)
	case err != nil:
		return nil, nil, fmt.Errorf("reading settings: %w", err)
	}
	src := inspect(path, data, keys)
	if err := v.ReadConfig(bytes.NewReader(data)); err != nil {
		if len(src.problems) > 0 { // they say it better
			err = errors.Join(src.problems...)
		}
		return nil, nil, err
	}
	return v, src, nil
}

func missingFile(path string) error {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return fmt.Errorf("%s: no such file (create it with at least the line control: postgres://user@host:5432/database, or name another one with --config)", path)
}
