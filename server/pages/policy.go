package pages

import (
	"maps"
	"slices"
	"strings"
)

// documentPolicy is for files that are no pages and that a browser could still
// show as a document with scripts, such as SVG.
const documentPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"

// pageRule is a page's policy and what it was computed from.
type pageRule struct {
	deps map[string]stamp // the files read for it, and their states then
	// before and after stand around the addresses in connect-src that depend
	// on the name under which the page was asked for.
	before, after string
}

// header is the policy for a page asked for under host.
func (r *pageRule) header(host string) string {
	if !validHost(host) {
		return r.before + r.after
	}
	// 'self' covers WebSockets only in newer browsers.
	return r.before + " ws://" + host + " wss://" + host + r.after
}

// policy returns the policy of the page in the file name, whose address lies
// in folder and whose content is a.
func (p *Pages) policy(name, folder string, a *asset) *pageRule {
	key := name + "\x00" + folder + "\x00" + a.etag
	p.mu.Lock()
	rule := p.policies[key]
	p.mu.Unlock()
	if rule != nil && p.current(rule) {
		return rule
	}
	rule = p.compute(folder, a)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.policies) >= maxPolicies {
		clear(p.policies)
	}
	p.policies[key] = rule
	return rule
}

// maxPolicies bounds the policies that are kept: those of pages that were
// changed since stay until then.
const maxPolicies = 200

// current reports whether the files behind a policy are as they were.
func (p *Pages) current(rule *pageRule) bool {
	for name, then := range rule.deps {
		if p.source.stamp(name) != then {
			return false
		}
	}
	return true
}

// compute reads the page, and the scripts and style sheets that it loads.
func (p *Pages) compute(folder string, a *asset) *pageRule {
	s := scanner{base: folder, seen: map[string]bool{}}
	if a.file != nil { // too large to be a page that anybody wrote
		s.found.unseenScript = true
	}
	s.page(a.data)
	deps := map[string]stamp{}
	for len(s.queue) > 0 {
		file := s.queue[0]
		s.queue = s.queue[1:]
		deps[file.name] = p.source.stamp(file.name)
		loaded, err := p.source.open(file.name)
		if err != nil {
			continue
		}
		if file.style {
			s.css(string(loaded.data), file.folder)
		} else {
			s.js(string(loaded.data), file.folder)
		}
		loaded.release()
	}
	if s.found.usesClient {
		s.found.scripts.add(p.clientOrigin)
	}
	s.found.images.add(cloudinary)
	rule := s.found.rule()
	rule.deps = deps
	return rule
}

// rule writes the policy.
func (f *findings) rule() *pageRule {
	var b strings.Builder
	directive := func(name string, sources ...[]string) {
		all := slices.Concat(sources...)
		if len(all) == 0 {
			all = []string{"'none'"}
		}
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(name + " " + strings.Join(all, " "))
	}
	self := []string{"'self'"}
	directive("default-src", self)
	f.scriptDirectives(directive)
	f.styleDirectives(directive)
	directive("img-src", self, []string{"data:", "blob:"}, f.images.list())
	directive("media-src", self, []string{"data:", "blob:"}, f.media.list())
	directive("font-src", self, []string{"data:"}, f.fonts.list())
	directive("frame-src", f.frames.list())
	directive("worker-src", self, []string{"blob:"})
	directive("object-src")
	directive("base-uri", f.base.list())
	directive("frame-ancestors")
	if f.forms {
		directive("form-action", self, f.actions.list())
	} else {
		directive("form-action")
	}
	directive("connect-src", self, f.connects.list())
	return &pageRule{before: b.String()}
}

// scriptDirectives writes what may run. Browsers that know script-src-elem and
// script-src-attr take these for blocks and for handlers; older ones take
// script-src for both, where a hash would switch 'unsafe-inline' off.
func (f *findings) scriptDirectives(directive func(string, ...[]string)) {
	self, files := []string{"'self'"}, f.scripts.list()
	var eval, hashed []string
	if f.evaluates {
		eval = []string{"'unsafe-eval'"}
	}
	if len(f.handlerHashes) > 0 {
		hashed = append([]string{"'unsafe-hashes'"}, f.handlerHashes.list()...)
	}
	blocks := f.scriptHashes.list()
	if f.buildsHandlers {
		directive("script-src", self, files, []string{"'unsafe-inline'"}, eval)
		directive("script-src-elem", self, files, blocks, hashed)
		directive("script-src-attr", []string{"'unsafe-inline'"})
		return
	}
	directive("script-src", self, files, blocks, hashed, eval)
	directive("script-src-attr", hashed)
}

// styleDirectives writes which styles count, in the same way. What a script of
// another origin puts into the page can't be seen, and styles are what such
// scripts put there.
func (f *findings) styleDirectives(directive func(string, ...[]string)) {
	self, files := []string{"'self'"}, f.styles.list()
	unsafe := []string{"'unsafe-inline'"}
	blocks, attrs := f.styleHashes.list(), []string(nil)
	if len(f.styleAttrHashes) > 0 {
		attrs = append([]string{"'unsafe-hashes'"}, f.styleAttrHashes.list()...)
	}
	anyBlock := f.buildsStyles || f.unseenScript
	anyAttr := f.buildsStyleAttrs || f.unseenScript
	if anyBlock {
		blocks = unsafe
	}
	if anyAttr {
		attrs = unsafe
	}
	if !anyBlock && !anyAttr {
		directive("style-src", self, files, blocks, attrs)
		directive("style-src-attr", attrs)
		return
	}
	directive("style-src", self, files, unsafe)
	directive("style-src-elem", self, files, blocks)
	directive("style-src-attr", attrs)
}

// list returns the set's sources in order, so that a page's policy is always
// the same text.
func (s set) list() []string { return slices.Sorted(maps.Keys(s)) }
