"""How records are shown: numbers, sentences, tables, figures, pages, the terminal."""
