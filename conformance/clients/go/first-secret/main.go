// The README's first secret in Go.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

func main() {
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		log.Fatal(err)
	}
	client, err := azsecrets.NewClient(os.Getenv("VAULT_URL"), credential, nil)
	if err != nil {
		log.Fatal(err)
	}
	value := "hello"
	if _, err = client.SetSecret(context.Background(), "first-secret", azsecrets.SetSecretParameters{Value: &value}, nil); err != nil {
		log.Fatal(err)
	}
	secret, err := client.GetSecret(context.Background(), "first-secret", "", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*secret.Value, *secret.ID)
}
