// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package conformance pins h2spec and what it is made of; ./dev conformance builds it.
package conformance

import _ "github.com/summerwind/h2spec/cmd/h2spec"
