// Package browser holds the tests of the pages in a real browser: Chromium,
// driven by chromedp, against the real binary, and the pages' modules under
// Node's own test runner.
package browser
