// Reads a dashboard from stdin with the types that Grafana generates from its own schema, and says what
// does not fit them: a field that Grafana would ignore, one that it needs, a value of another type.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func main() {
	if err := check(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(source io.Reader) error {
	text, err := io.ReadAll(source)
	if err != nil {
		return fmt.Errorf("failed to read the dashboard: %w", err)
	}
	// the kinds of panels and queries that the dashboard uses: all of them take a minute to compile
	known := cog.NewRuntime()
	known.RegisterPanelcfgVariant(stat.VariantConfig())
	known.RegisterPanelcfgVariant(table.VariantConfig())
	known.RegisterPanelcfgVariant(timeseries.VariantConfig())
	known.RegisterDataqueryVariant(prometheus.VariantConfig())
	var read dashboard.Dashboard
	// it returns its list of complaints even when that is empty
	var complaints cog.BuildErrors
	if err := read.UnmarshalJSONStrict(text); !errors.As(err, &complaints) || len(complaints) > 0 {
		return err
	}
	return read.Validate()
}
