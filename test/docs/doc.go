// Package docs holds documents and code to each other: the map of the house, the
// guides, the README, the claims on security.
package docs
