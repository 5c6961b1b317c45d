package command

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"podium/contest"
)

// outline is what a restore compares, beside how many submissions there are: the
// categories, who won in them, and what the organiser has set.
type outline struct {
	categories []contest.Category
	winners    contest.Picks
	captions   map[string]string // of the winners, by id
	settings   []setting
}

// setting is something that the organiser has set, as people read it. Its value is ""
// where nothing is set.
type setting struct{ name, value string }

// outlineOf reads the outline of a contest.
func outlineOf(s contest.Store) (o outline, err error) {
	c := contest.New(s)
	if o.winners, o.categories, err = c.Picks(); err != nil {
		return o, err
	}
	var ids []string
	for _, picks := range o.winners {
		ids = append(ids, picks...)
	}
	named, err := c.Named(ids...)
	if err != nil {
		return o, err
	}
	o.captions = map[string]string{}
	for id, one := range named {
		o.captions[id] = one.Caption
	}
	o.settings, err = settingsOf(c)
	return o, err
}

// settingsOf are the settings that are kept with a contest, in the order of the
// admin page.
func settingsOf(c *contest.Contest) ([]setting, error) {
	e, _, err := c.Evening()
	if err != nil {
		return nil, err
	}
	moderation, err := c.Setting("contest.moderation")
	if err != nil {
		return nil, err
	}
	reveal, err := c.Reveal()
	if err != nil {
		return nil, err
	}
	approval := string(moderation)
	if approval == "" {
		approval = "as the server is started"
	}
	staged := ""
	if reveal != nil {
		staged = fmt.Sprintf("%s, turn %d of %d", reveal.State(), reveal.Turn, len(reveal.Turns()))
	}
	return []setting{
		{"approval of new photos", approval},
		{"presentation", staged},
		{"name", e.Name},
		{"date", e.Date},
		{"line for guests", e.Welcome},
		{"logo", e.Logo},
		{"colour", e.Accent},
		{"photos are taken from", moment(e.Opens)},
		{"photos are taken until", moment(e.Closes)},
		{"photos of each guest", count(e.PhotosPerGuest)},
		{"everybody has to say their name", yes(e.NameRequired)},
		{"guests may save all photos", yes(e.AlbumForGuests)},
		{"terms", e.Terms},
		{"seconds on the wall", count(e.WallSeconds)},
		{"order on the wall", e.WallOrder},
		{"code on the wall", e.WallCode},
	}, nil
}

func moment(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).Format(time.RFC1123)
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func yes(on bool) string {
	if !on {
		return "no"
	}
	return "yes"
}

// changesTo says in sentences what would be otherwise if then took the place of o.
func (o outline) changesTo(then outline) []string {
	list := o.categoryChanges(then)
	for _, c := range union(o.categories, then.categories) {
		now, later := o.winners[c.ID], then.winners[c.ID]
		if !slices.Equal(now, later) {
			list = append(list, fmt.Sprintf("Winners of %q: %s instead of %s", c.Name, then.named(later), o.named(now)))
		}
	}
	for i, s := range then.settings {
		if before := o.settings[i].value; before != s.value {
			list = append(list, fmt.Sprintf("Setting %q: %s instead of %s", s.name, shown(s.value), shown(before)))
		}
	}
	return list
}

// categoryChanges says which categories go, come, and are called otherwise.
func (o outline) categoryChanges(then outline) (list []string) {
	for _, c := range o.categories {
		if nameIn(then.categories, c.ID) == "" {
			list = append(list, fmt.Sprintf("Category %q goes", c.Name))
		}
	}
	for _, c := range then.categories {
		switch before := nameIn(o.categories, c.ID); before {
		case c.Name:
		case "":
			list = append(list, fmt.Sprintf("Category %q comes", c.Name))
		default:
			list = append(list, fmt.Sprintf("Category %q is called %q", before, c.Name))
		}
	}
	if len(list) == 0 && !slices.Equal(o.categories, then.categories) {
		list = append(list, "The categories come in another order")
	}
	return list
}

// named are entries by their captions.
func (o outline) named(ids []string) string {
	if len(ids) == 0 {
		return "none"
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		if names[i] = id; o.captions[id] != "" {
			names[i] = shown(o.captions[id])
		}
	}
	return strings.Join(names, ", ")
}

// longestShown bounds how much of a text is shown, in characters.
const longestShown = 60

// shown is a value in a sentence.
func shown(value string) string {
	if value == "" {
		return "nothing"
	}
	if runes := []rune(value); len(runes) > longestShown {
		value = string(runes[:longestShown]) + "…"
	}
	return fmt.Sprintf("%q", value)
}

// nameIn is the name of a category, "" where it is not among them.
func nameIn(list []contest.Category, id string) string {
	for _, c := range list {
		if c.ID == id {
			return c.Name
		}
	}
	return ""
}

// union are the categories of both, each once.
func union(one, other []contest.Category) []contest.Category {
	all := slices.Clone(one)
	for _, c := range other {
		if nameIn(one, c.ID) == "" {
			all = append(all, c)
		}
	}
	return all
}
