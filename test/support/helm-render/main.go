// Renders a Helm chart's templates as Helm does, for machines without Helm: Go's text/template and those of Helm's and Sprig's
// functions that the chart uses. Reads {chart, values, release} as JSON, writes the texts by file.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

type input struct {
	Directory string                 `json:"directory"`
	Chart     map[string]interface{} `json:"chart"`
	Values    map[string]interface{} `json:"values"`
	Release   map[string]interface{} `json:"release"`
}

func integer(value interface{}) int {
	switch given := value.(type) {
	case float64:
		return int(given)
	case int:
		return given
	}
	var parsed int
	fmt.Sscan(fmt.Sprint(value), &parsed)
	return parsed
}

// A block of its outermost keys or items; within them JSON, which is YAML too.
func toYaml(value interface{}) (string, error) {
	lines := []string{}
	add := func(head string, part interface{}) error {
		text, err := json.Marshal(part)
		lines = append(lines, head+string(text))
		return err
	}
	var err error
	switch given := value.(type) {
	case map[string]interface{}:
		for key, part := range given {
			if failed := add(fmt.Sprintf("%q: ", key), part); failed != nil {
				err = failed
			}
		}
	case []interface{}:
		for _, part := range given {
			if failed := add("- ", part); failed != nil {
				err = failed
			}
		}
	}
	if len(lines) == 0 {
		err = add("", value)
	}
	return strings.Join(lines, "\n"), err
}

func main() {
	var given input
	check(json.NewDecoder(os.Stdin).Decode(&given))
	all := template.New("chart").Option("missingkey=zero")
	all.Funcs(template.FuncMap{
		"include": func(name string, data interface{}) (string, error) {
			var text bytes.Buffer
			err := all.ExecuteTemplate(&text, name, data)
			return text.String(), err
		},
		"toYaml": toYaml,
		"nindent": func(spaces int, text string) string {
			pad := strings.Repeat(" ", spaces)
			return "\n" + pad + strings.ReplaceAll(text, "\n", "\n"+pad)
		},
		"quote": func(value interface{}) string { return fmt.Sprintf("%q", fmt.Sprint(value)) },
		"default": func(fallback interface{}, value interface{}) interface{} {
			if value == nil || value == "" {
				return fallback
			}
			return value
		},
		"trunc": func(length int, text string) string {
			if len(text) <= length {
				return text
			}
			return text[:length]
		},
		"trimSuffix": func(suffix, text string) string { return strings.TrimSuffix(text, suffix) },
		"contains":   func(part, text string) bool { return strings.Contains(text, part) },
		"hasKey": func(values map[string]interface{}, key string) bool {
			_, found := values[key]
			return found
		},
		"int": integer,
		"add": func(numbers ...interface{}) int {
			sum := 0
			for _, number := range numbers {
				sum += integer(number)
			}
			return sum
		},
	})
	files, err := filepath.Glob(filepath.Join(given.Directory, "templates", "*"))
	check(err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(err)
		_, err = all.New(filepath.Base(file)).Parse(string(text))
		check(err)
	}
	data := map[string]interface{}{"Values": given.Values, "Chart": given.Chart, "Release": given.Release}
	rendered := map[string]string{}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "_") {
			continue
		}
		var text bytes.Buffer
		check(all.ExecuteTemplate(&text, name, data))
		rendered[name] = text.String()
	}
	check(json.NewEncoder(os.Stdout).Encode(rendered))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
