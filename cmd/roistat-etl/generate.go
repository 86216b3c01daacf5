package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// generateCommand writes what packages hold besides the program. It is for
// those who make packages, and so not listed.
func (a *app) generateCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "generate DIR",
		Short:  "Write man pages to DIR/man and shell completions to DIR/completion",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			if err := writeMan(root, filepath.Join(args[0], "man")); err != nil {
				return fmt.Errorf("write man pages: %w", err)
			}
			if err := writeCompletions(root, filepath.Join(args[0], "completion")); err != nil {
				return fmt.Errorf("write completions: %w", err)
			}
			return nil
		},
	}
}

// writeMan writes a page a command, dated by SOURCE_DATE_EPOCH where that is set.
func writeMan(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root.DisableAutoGenTag = true
	return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "roistat-etl " + release(), Manual: "roistat-etl"}, dir)
}

// writeCompletions writes each under the name by which its shell finds it.
func writeCompletions(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := root.Name()
	if err := root.GenBashCompletionFileV2(filepath.Join(dir, name), true); err != nil {
		return err
	}
	if err := root.GenZshCompletionFile(filepath.Join(dir, "_"+name)); err != nil {
		return err
	}
	return root.GenFishCompletionFile(filepath.Join(dir, name+".fish"), true)
}
