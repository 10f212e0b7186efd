module github.com/claystack/dvkeys/bench

go 1.26.0

require (
	github.com/stretchr/testify v1.12.1
	github.com/supranational/blst v0.3.17
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect

replace github.com/claystack/dvkeys => ../
