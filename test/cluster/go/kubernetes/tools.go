//go:build tools

// kubectl is built from the same module where the machine has none.
package main

import _ "k8s.io/kubernetes/cmd/kubectl"
