package command

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"podium/server/observe"
)

// readyTries is how often a balancer is asked, each time on a connection of its own, to
// find the machines behind it.
const readyTries = 24

// machines looks at several machines of one contest, each by an address of its own.
// Every finding begins with the address that it is about.
func (v *verifier) machines(bases []string, quick bool) {
	contests := make([]string, len(bases)) // "" where it is not known
	alike := make([]observe.Likeness, len(bases))
	var asked sync.WaitGroup // those that were asked for their contest, and how they are set up
	asked.Add(2 * len(bases))
	for i, base := range bases {
		one := &verifier{base: base}
		one.service(quick)
		one.check("its contest can be told from others", func(ctx context.Context) (err error) {
			defer asked.Done()
			contests[i], err = one.epoch(ctx)
			return err
		})
		one.check("it says how it is set up", func(ctx context.Context) (err error) {
			defer asked.Done()
			alike[i], err = one.likeness(ctx)
			return err
		})
		for _, c := range one.checks {
			c.what = base + ": " + c.what
			v.checks = append(v.checks, c)
		}
	}
	for i, base := range bases {
		v.check(base+": it serves the same contest as the others", func(context.Context) error {
			asked.Wait() // each has its own time for that
			switch contests[i] {
			case "":
				return errors.New("that is not known")
			case common(contests):
				return nil
			}
			return errors.New("it has a contest of its own; give it the --database of the others")
		})
		for _, of := range traits {
			v.check(base+": "+of.what, func(context.Context) error {
				asked.Wait()
				var all []string
				for _, one := range alike {
					all = append(all, of.read(one))
				}
				switch of.read(alike[i]) {
				case "":
					return errors.New("that is not known")
				case common(all):
					return nil
				}
				return errors.New(of.fault)
			})
		}
	}
}

// traits are what machines of one contest must agree in.
var traits = []struct {
	what  string
	read  func(observe.Likeness) string
	fault string
}{
	{"it runs the version of the others", func(l observe.Likeness) string { return l.Version },
		"it runs another program than most; finish the deployment, or give it the same"},
	{"it signs sessions as the others do", func(l observe.Likeness) string { return l.Key },
		"it has another key than most; it was started before the database was restored: start it anew"},
	{"it keeps pictures where the others do", func(l observe.Likeness) string { return l.Pictures },
		"its pictures go elsewhere; give it the --uploads, or Cloudinary's settings, of the others"},
	{"it has the admin password of the others", func(l observe.Likeness) string { return l.Password },
		"its ADMIN_PASSWORD is another one, and counts from its next start on; give all the same"},
}

// likeness is how a machine says that it is set up.
func (v *verifier) likeness(ctx context.Context) (l observe.Likeness, err error) {
	_, body, err := v.get(ctx, "/ready")
	if err != nil {
		return l, err
	}
	var said struct{ Likeness *observe.Likeness }
	if err := json.Unmarshal(body, &said); err != nil || said.Likeness == nil {
		return l, errors.New("it does not; it has no --database, or an older version")
	}
	return *said.Likeness, nil
}

// common is the most frequent of some texts.
func common(texts []string) (most string) {
	count := map[string]int{}
	for _, text := range texts {
		if count[text]++; text != "" && count[text] > count[most] {
			most = text
		}
	}
	return most
}

// epoch is the history that a machine's event log belongs to.
func (v *verifier) epoch(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base+"/api/events", nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "id:"); ok {
			epoch, _, _ := strings.Cut(strings.TrimSpace(id), ".")
			return epoch, nil
		}
	}
	return "", errors.New("its event stream does not say where it stands")
}

// behind looks for the machines behind one address. One that is not ready is named.
func (v *verifier) behind(ctx context.Context) error {
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	faults := map[string]string{} // by machine
	for range readyTries {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base+"/ready", nil)
		if err != nil {
			return err
		}
		res, err := fresh.Do(req)
		if err != nil {
			return err
		}
		var said struct{ Machine, Reason string }
		text, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
		res.Body.Close()
		if err != nil {
			return err
		}
		_ = json.Unmarshal(text, &said) // a proxy may have answered by itself
		if said.Machine == "" {
			said.Machine = "a machine without --node-id"
		}
		if res.StatusCode != http.StatusOK {
			faults[said.Machine] = fmt.Sprintf("%s answers %s %s", said.Machine, res.Status, said.Reason)
		}
	}
	if len(faults) > 0 {
		return errors.New(strings.Join(slices.Sorted(maps.Values(faults)), "; "))
	}
	return nil
}
