//go:build tools

// Package tools keeps kaniko's commands in go.mod: `go install pkg@version` refuses them, a build from a module that
// requires them does not.
package tools

import (
	_ "github.com/GoogleContainerTools/kaniko/cmd/executor"
	_ "github.com/GoogleContainerTools/kaniko/cmd/warmer"
)
