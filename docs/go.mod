module strata/docs

go 1.26.0
