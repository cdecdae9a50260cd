package gate

import "strings"

// Function is a row of system.functions.
type Function struct {
	Name      string
	Alias     string // what it is another name of, else empty
	Category  string
	Folds     bool // may be spelled with any capitals
	Aggregate bool
}

// Functions is what visitors may call.
type Functions struct {
	Exact map[string]bool // as they are spelled
	Lower map[string]bool // those that may be spelled with any capitals, in small letters
	// Aggregates are those that take combinators behind their name, such as sum in sumIf.
	Aggregates  map[string]bool
	Combinators []string
}

func (f Functions) has(name string) bool {
	return f.Exact[name] || f.Lower[strings.ToLower(name)] || f.combined(name)
}

func (f Functions) combined(name string) bool {
	if f.Aggregates[name] || f.Aggregates[strings.ToLower(name)] && f.Lower[strings.ToLower(name)] {
		return true
	}
	for _, c := range f.Combinators {
		if short, ok := strings.CutSuffix(name, c); ok && f.combined(short) {
			return true
		}
	}
	return false
}

// categories are the engine's groups of functions whose results hang on their arguments alone, or on chance
// and the clock. Others read files, dictionaries, the network or the server's own state.
var categories = lines(`Type Conversion|UUID|Null|Financial|Mathematical|JSON|Comparison|Geo|Geo Polygon|URL|Arrays|String Search
String Splitting|String|Arithmetic|Bitmap|Hash|Dates and Times|Time Window|Encoding|Random Number|Bit|Conditional
String Replacement|NumericIndexedVector|Map|Distance|Tuple|Rounding|Logical|IP Address|QBit|Aggregate Functions`)

// named are functions outside of these groups that do no harm either, or that clients ask when they connect.
var named = words(`transform bar toTypeName toColumnTypeName materialize identity ignore isConstant throwIf version timezone
	timezoneOf currentDatabase currentUser user currentSchemas getSetting getSettingOrDefault displayName revision hostName
	formatReadableSize formatReadableDecimalSize formatReadableQuantity formatReadableTimeDelta parseReadableSize
	parseReadableSizeOrNull parseReadableSizeOrZero parseTimeDelta byteSize visibleWidth variantElement variantType
	lowCardinalityKeys lowCardinalityIndices defaultValueOfArgumentType defaultValueOfTypeName finalizeAggregation
	initializeAggregation countDigits isDecimalOverflow runningDifference minSampleSizeConversion minSampleSizeContinuous
	caseWithExpression caseWithoutExpression caseWithExpr caseWithoutExpr serverTimezone connectionId queryID initialQueryID nested`)

func lines(list string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.FieldsFunc(list, func(r rune) bool { return r == '|' || r == '\n' }) {
		m[w] = true
	}
	return m
}

// Known chooses from the engine's functions.
func Known(list []Function, combinators []string) Functions {
	f := Functions{Exact: map[string]bool{}, Lower: map[string]bool{}, Aggregates: map[string]bool{}, Combinators: combinators}
	by := map[string]Function{}
	for _, one := range list {
		by[one.Name] = one
	}
	for _, one := range list {
		is := one
		if original, ok := by[one.Alias]; ok {
			is = original
		}
		if !categories[is.Category] && !named[is.Name] && !named[one.Name] || strings.HasPrefix(is.Name, "_") {
			continue
		}
		f.Exact[one.Name] = true
		if one.Folds {
			f.Lower[strings.ToLower(one.Name)] = true
		}
		if is.Aggregate || is.Category == "Aggregate Functions" {
			f.Aggregates[one.Name] = true
			if one.Folds {
				f.Aggregates[strings.ToLower(one.Name)] = true
			}
		}
	}
	return f
}
