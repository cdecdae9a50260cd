package shape

import "strings"

// Nearest returns the word that a misspelt one most likely stands for, "" where none is near: at
// most a third of the letters may differ, or one is the beginning of the other. Case, and - for _,
// count for nothing, because these are what people get wrong.
func Nearest(word string, words []string) string {
	const longest = 80 // nobody misspells more than that, and the cost grows with the square
	if len(word) > longest {
		return ""
	}
	best, least := "", closeness{score: 2*(len([]rune(word))/3) + 1}
	for _, w := range words {
		a, b := plain(word), plain(w)
		c := closeness{distance: Distance(a, b), prefix: prefix(a, b)}
		if c.score = 2 * c.distance; c.prefix > 1 && c.prefix == min(len(a), len(b)) && 2*c.prefix >= max(len(a), len(b)) {
			c.score = min(c.score, 2) // one is half of the other, and its beginning
		}
		if c.nearer(least) {
			best, least = w, c
		}
	}
	return best
}

// closeness says how alike two words are: less score is nearer, then more prefix, then less distance.
type closeness struct{ score, prefix, distance int }

func (c closeness) nearer(than closeness) bool {
	switch {
	case c.score != than.score:
		return c.score < than.score
	case c.prefix != than.prefix:
		return c.prefix > than.prefix
	}
	return c.distance < than.distance
}

// prefix is how many bytes two words have in common at the beginning.
func prefix(a, b string) int {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	return i
}

func plain(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }

// Distance is the number of letters to insert, drop, change or swap with their neighbour to make b
// of a, where no letter is touched twice (optimal string alignment). Its cost is the product of the
// lengths: callers bound what strangers write.
func Distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range t {
		rows[0][j+1] = j + 1
	}
	for i := 1; i <= len(s); i++ {
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(s)][len(t)]
}

// allowed ends a message about a word that is none of words.
func allowed(word string, words []string) string {
	if len(words) == 0 {
		return ""
	}
	if len(words) == 1 {
		return ": allowed is only " + words[0]
	}
	list := "allowed are " + strings.Join(words, ", ")
	if near := Nearest(word, words); near != "" {
		return ": did you mean " + near + "? " + list
	}
	return ": " + list
}
