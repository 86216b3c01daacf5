package config

// refusal is something that the file can ask for and this version cannot do.
// asked gives the fields that ask for it, by address; marks tells what is set.
type refusal struct {
	what  string
	asked func(p *Pipeline) []any
}

// refusals lists what this version cannot do yet: a later one deletes lines.
func refusals() []refusal {
	return []refusal{
		{"back the mirror up", func(p *Pipeline) []any { return only(&p.MirrorBackup, p.MirrorBackup != "") }},
	}
}

// refuse reports what the pipeline asks for in vain.
func refuse(p *Pipeline, found *problems) {
	for _, r := range refusals() {
		for _, field := range r.asked(p) {
			found.add(p.src.where(field), "%s: this version can't %s yet", p.src.marks[field].path, r.what)
		}
	}
}

func only(field any, asked bool) []any {
	if !asked {
		return nil
	}
	return []any{field}
}

// set gives those of the fields that the file sets.
func (s *source) set(fields ...any) []any {
	var out []any
	for _, f := range fields {
		if _, ok := s.mark(f); ok {
			out = append(out, f)
		}
	}
	return out
}
