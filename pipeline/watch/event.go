package watch

import (
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
	"roistat-etl/schemas"
)

// The forms of what is sent: OpenLineage 2-0-2, https://openlineage.io/spec.
const (
	eventSchema      = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
	schemaFacet      = "https://openlineage.io/spec/facets/1-1-1/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet"
	statisticsFacet  = "https://openlineage.io/spec/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet"
	errorFacet       = "https://openlineage.io/spec/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet"
	jobTypeFacet     = "https://openlineage.io/spec/facets/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet"
	documentedFacet  = "https://openlineage.io/spec/facets/1-0-1/DocumentationDatasetFacet.json#/$defs/DocumentationDatasetFacet"
	lineageNamespace = "5d8f8a0e-61d6-4c0a-8d0b-6d1f6f0e7a11" // of the names of runs
)

// object is a JSON object of the specification, whose facets are open.
type object map[string]any

// facet is an object that names its maker and its form.
func (l *Lineage) facet(schema string, fields object) object {
	fields["_producer"], fields["_schemaURL"] = l.producer, schema
	return fields
}

// event describes a run at its start, or at its end.
func (l *Lineage) event(p *config.Pipeline, r *pipeline.Report, kind string, at time.Time) object {
	run := object{"runId": uuid.NewSHA1(uuid.MustParse(lineageNamespace), []byte(r.Pipeline+"/"+r.Run)).String()}
	if r.Error != nil {
		run["facets"] = object{"errorMessage": l.facet(errorFacet, object{"message": *r.Error, "programmingLanguage": "GO"})}
	}
	return object{
		"eventType": kind, "eventTime": at.UTC().Format("2006-01-02T15:04:05.000Z07:00"), "producer": l.producer, "schemaURL": eventSchema,
		"run": run,
		"job": object{"namespace": l.namespace, "name": "roistat-etl." + p.Name, "facets": object{
			"jobType": l.facet(jobTypeFacet, object{"processingType": "BATCH", "integration": "ROISTAT_ETL", "jobType": "JOB"}),
		}},
		"inputs":  []object{{"namespace": p.API.BaseURL, "name": "project/" + p.Project}},
		"outputs": l.outputs(p, r, kind == started),
	}
}

// outputs are the tables of the destinations that show the run; before its end, of all.
func (l *Lineage) outputs(p *config.Pipeline, r *pipeline.Report, all bool) []object {
	out := []object{}
	for i, d := range p.Load {
		if !all && (i >= len(r.Destinations) || r.Destinations[i].Run != r.Run) {
			continue
		}
		for _, t := range schemas.Tables() {
			set := dataset(d, t.Name)
			set["facets"] = object{"schema": l.schema(t), "documentation": l.facet(documentedFacet, object{"description": t.Comment})}
			if rows, ok := r.Tables[t.Name]; ok && !all {
				set["outputFacets"] = object{"outputStatistics": l.facet(statisticsFacet, object{"rowCount": rows.Rows})}
			}
			out = append(out, set)
		}
	}
	return out
}

// schema lists a table's columns.
func (l *Lineage) schema(t *schemas.Table) object {
	fields := make([]object, 0, len(t.Columns))
	for i := range t.Columns {
		c := &t.Columns[i]
		fields = append(fields, object{"name": c.Name, "type": c.ClickHouseType(), "description": c.Comment})
	}
	return l.facet(schemaFacet, object{"fields": fields})
}

// dataset names a table as OpenLineage's naming has it.
func dataset(d config.Destination, table string) object {
	if d.ClickHouse != nil {
		u, err := url.Parse(d.ClickHouse.URL)
		if err != nil { // it was found good when the configuration was read
			return object{"namespace": "clickhouse", "name": table}
		}
		return object{"namespace": "clickhouse://" + u.Host, "name": strings.Trim(u.Path, "/") + "." + table}
	}
	if bucket, prefix, ok := strings.Cut(strings.TrimPrefix(d.Parquet.Path, "s3://"), "/"); ok && strings.HasPrefix(d.Parquet.Path, "s3://") {
		return object{"namespace": "s3://" + bucket, "name": prefix + "/" + table}
	}
	return object{"namespace": "file", "name": filepath.Join(d.Parquet.Path, table)}
}
