package query

import (
	"strings"

	"strata/events"
)

// Parse reads a query as LAVA's addresses have it (+custom?entity=testjob&conditions=…): conditions
// are separated by ",", their parts by "__": field and value (then the operator is exact), field,
// operator and value, or table, field, operator and value. Nothing is escaped. As in LAVA a condition
// without a table is about that of the condition before it; the first, about the entity. The query
// is checked.
func Parse(entity, conditions string) (Query, []string, error) {
	q := Query{Entity: events.QueryEntity(entity)}
	table := entity
	// No conditions at all find everything.
	if strings.TrimSpace(conditions) != "" {
		for i, one := range strings.Split(conditions, ",") {
			parts := strings.Split(strings.TrimSpace(one), "__")
			c := events.QueryCondition{Table: table, Operator: exact}
			switch len(parts) {
			case 2:
				c.Field, c.Value = parts[0], parts[1]
			case 3:
				c.Field, c.Operator, c.Value = parts[0], parts[1], parts[2]
			case 4:
				c.Table, c.Field, c.Operator, c.Value = parts[0], parts[1], parts[2], parts[3]
				table = c.Table
			default:
				return q, nil, &Error{Reason: BadShape, Condition: i + 1, Message: "\"" + one + "\" has " + plural(len(parts)) +
					"; write field__value, field__operator__value or table__field__operator__value (a value with \",\" or \"__\" cannot stand in an address)"}
			}
			q.Conditions = append(q.Conditions, c)
		}
	}
	return q.Check()
}

func plural(parts int) string {
	if parts == 1 {
		return "one part"
	}
	return "more than four parts"
}

// Address writes the conditions as [Parse] reads them, each with its table. It reports false where
// they cannot be written so: a clause, or a value that holds a separator.
func Address(q Query) (string, bool) {
	if len(q.Clauses) > 0 {
		return "", false
	}
	var list []string
	for _, c := range q.Conditions {
		table := c.Table
		if table == Metadata {
			table = lavaMetadata // as whoever reads it may be a LAVA
		}
		for _, part := range []string{c.Field, c.Value} {
			if strings.Contains(part, ",") || strings.Contains(part, "__") || strings.HasPrefix(part, "_") || strings.HasSuffix(part, "_") ||
				strings.TrimSpace(part) != part {
				return "", false
			}
		}
		list = append(list, strings.Join([]string{table, c.Field, c.Operator, c.Value}, "__"))
	}
	return strings.Join(list, ","), true
}
