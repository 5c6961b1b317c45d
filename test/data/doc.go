// Package data holds the tests of the commands that work on a data folder: import,
// export, backup, restore, check, and of what deletion leaves behind.
package data
