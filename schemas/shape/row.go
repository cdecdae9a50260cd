package shape

// Optional returns the row of a key that may be left out.
func Optional(name string, s Shape, doc string) Key { return Key{Name: name, Shape: s, Doc: doc} }

// Required returns the row of a key that has to be there.
func Required(name string, s Shape, doc string) Key {
	return Key{Name: name, Shape: s, Doc: doc, Required: true}
}

// In returns k with the unit of its number.
func (k Key) In(unit string) Key {
	k.Unit = unit
	return k
}

// Otherwise returns k with what holds where it is left out.
func (k Key) Otherwise(value string) Key {
	k.Default = value
	return k
}

// Like returns k with an example of its value, as it is written in YAML.
func (k Key) Like(example string) Key {
	k.Example = example
	return k
}

// OneOf returns k as one of a group of keys, of which at most one may be there.
func (k Key) OneOf(group string) Key {
	k.Group = group
	return k
}

// With returns k as one of a pair of keys, which are both there or neither.
func (k Key) With(pair string) Key {
	k.Pair = pair
	return k
}
