// Package fly holds what a deployment to Fly needs: fly.toml, the Dockerfile,
// setup.sh and deploy.sh. It has no code; the tests beside these files hold
// them to what the server really offers.
package fly
