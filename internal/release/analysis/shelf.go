package analysis

// Shelf keeps what is seldom read elsewhere than in memory.
type Shelf interface {
	// Keep takes a text, and returns nil where it has no room.
	Keep(text []byte) Kept
}

// Kept is a text on a shelf, for as long as it is held.
type Kept interface {
	Read() ([]byte, error)
}

// packed is a finished hour, in memory or on a shelf.
type packed struct {
	text []byte
	kept Kept
}

// Shelve has hours kept on a shelf from when they are finished.
func (h *History) Shelve(on Shelf) { h.shelf = on }

func (h *History) putAway(text []byte) packed {
	if h.shelf != nil {
		if kept := h.shelf.Keep(text); kept != nil {
			return packed{kept: kept}
		}
	}
	return packed{text: text}
}

func (p packed) read() ([]byte, error) {
	if p.kept == nil {
		return p.text, nil
	}
	return p.kept.Read()
}
