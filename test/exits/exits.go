// Package exits holds DESIGN's exit codes a second time, for tests that run
// pipelines in process: the program's own are in its command.
package exits

import "roistat-etl/pipeline"

// Code is the exit code of a class.
func Code(c pipeline.Class) int {
	return map[pipeline.Class]int{
		pipeline.Done: 0, pipeline.Incomplete: 3, pipeline.Broken: 1, pipeline.Denied: 4,
		pipeline.Stopped: 5, pipeline.Misconfigured: 2, pipeline.Aborted: 130,
	}[c]
}
